"""The images that every cluster needs (the sandbox's and the object store's), and the object store itself."""

from pathlib import Path

from devcluster import configs, oci, programs
from devcluster.control_plane import answers
from devcluster.paths import TOOL, Cluster, binaries, cache
from devcluster.run import locked, output, say, until

STORE_IMAGE = "lwm.dev/fake-gcs-server:pinned"
SINGLE_PROGRAMS = {"pause": configs.PAUSE_IMAGE, "fake-gcs-server": STORE_IMAGE}


def archives() -> list[Path]:
    """Archives of the images that hold one static program each; those that are missing are written from the programs just built."""
    paths = []
    for program, image in SINGLE_PROGRAMS.items():
        archive = cache() / "images" / f"{program}-{programs.key()[:12]}.tar"
        with locked(cache() / "images" / "single.lock"):
            if not archive.exists():
                layer = archive.with_suffix(".layer")
                layer.parent.mkdir(parents=True, exist_ok=True)
                layer.write_bytes(oci.layer_of({program: binaries() / program}))
                oci.write(archive.with_suffix(".new"), image, layer, [f"/{program}"])
                layer.unlink()
                archive.with_suffix(".new").rename(archive)
        paths.append(archive)
    return paths


def apply(cluster: Cluster) -> None:
    """Create the object store; wait() returns when it serves."""
    output(kubectl(cluster, "apply", "--filename", TOOL / "manifests" / "fake-gcs.yaml"))


def wait(cluster: Cluster) -> None:
    """Return once the object store answers on this machine's side of the Service."""
    hint = "`kubectl -n lwm-storage describe pods` shows why"
    until("the object store answers", lambda: answers(f"{cluster.storage_url}/_internal/healthcheck"), seconds=120, hint=hint)
    say(f"object store ready: {cluster.storage_url}")


def kubectl(cluster: Cluster, *words: str | Path) -> list[str]:
    return [str(binaries() / "kubectl"), f"--kubeconfig={cluster.kubeconfig}", *(str(word) for word in words)]
