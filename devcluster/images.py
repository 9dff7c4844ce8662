"""Building the operator's and the trainer's image of this checkout, without Docker and without a registry."""

import os
import shutil
from pathlib import Path

from devcluster import base_image
from devcluster.paths import REPOSITORY, cache
from devcluster.run import locked, output, say, succeeds
from tools.image_names import TARGETS, full_name, tag

INDEX_SETTINGS = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")
KEPT_TAGS = 3


def build(repository: Path = REPOSITORY) -> list[tuple[str, Path]]:
    """(image name, OCI archive) of both images of this checkout; what was built before is not built again.

    Layers are cached by content: a change of source takes seconds, a change of uv.lock installs packages again."""
    built = []
    with locked(cache() / "images" / "build.lock"):
        current = tag(repository)
        for target in TARGETS:
            name = f"lwm-{target}:{current}"
            archive = folder() / f"{name.replace(':', '_')}.tar"
            if not archive.exists():
                build_one(repository, target, name, archive)
            archive.touch()
            built.append((name, archive))
        prune()
    return built


def folder() -> Path:
    """Where the archives lie."""
    return cache() / "images" / "built"


def kept() -> list[str]:
    """Names of the images whose archives exist, oldest first."""
    archives = sorted(folder().glob("*.tar"), key=lambda path: path.stat().st_mtime)
    return [name_of(archive) for archive in archives]


def name_of(archive: Path) -> str:
    """The image in an archive that this module wrote."""
    return archive.stem.replace("_", ":")


def build_one(repository: Path, target: str, name: str, archive: Path) -> None:
    """Build one target of the Dockerfile and write its archive, under the full name by which a kubelet asks for it."""
    pull_base()
    output([*buildah(), "rm", "--all"])  # working containers of a build that was interrupted
    say(f"building {name}")
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    command = [*buildah(), "build", "--layers", "--network=host", f"--target={target}", f"--build-arg=BASE={base_image.BASE_IMAGE}"]
    command += [f"--build-arg={setting}={os.environ[setting]}" for setting in INDEX_SETTINGS if os.environ.get(setting)]
    command += [f"--volume={wheels()}:/var/cache/uv", f"--tag={full_name(name)}", str(repository)]
    output(["nice", *command], env=environment)
    say(f"writing {archive.name}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    fresh = archive.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    full = full_name(name)
    # Fast zstd: containerd unpacks it in two thirds of the time that gzip takes.
    output([*buildah(), "push", "--quiet", "--compression-format=zstd", "--compression-level=1", full, f"oci-archive:{fresh}:{full}"])
    fresh.rename(archive)


def buildah() -> list[str]:
    """The buildah command with a separate store, so that it neither uses nor fills the machine's own."""
    store = [f"--root={cache()}/buildah/store", "--runroot=/run/lwm-buildah", "--storage-driver=overlay"]
    return ["buildah", *store]


def pull_base() -> None:
    """Bring the base image into buildah's store, once."""
    archive = base_image.archive()
    if base_image.BASE_IMAGE in output([*buildah(), "images", "--format", "{{.Name}}:{{.Tag}}"]).split():
        return
    image = output([*buildah(), "pull", f"oci-archive:{archive}"]).split()[-1]
    output([*buildah(), "tag", image, base_image.BASE_IMAGE])


def wheels() -> Path:
    """A folder of downloaded wheels that builds share: uv's own cache where uv is installed."""
    uv = os.environ.get("LWM_UV") or shutil.which("uv")
    folder = Path(output([uv, "cache", "dir"]).strip()) if uv else cache() / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def prune() -> None:
    """Keep the archives and images of the last few tags: each is as large as its image."""
    for name in kept()[: -KEPT_TAGS * len(TARGETS)]:
        (folder() / f"{name.replace(':', '_')}.tar").unlink()
        succeeds([*buildah(), "rmi", full_name(name)])
