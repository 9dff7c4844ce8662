"""docs/guides/laptop.md as pasted, on a cluster of which the quickstart is given a kubeconfig and a program that takes images, no more.

The cluster is the embedded one. Its base image and its store of layers stand in for docker.io, a volume for the provisioner, and a
script named kind for kind."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from devcluster import base_image, images, installation, nodes
from devcluster.paths import REPOSITORY, Cluster, binaries, cache
from devcluster.trainings import pods_of, until
from e2e.persistent_volume import Offer
from quickstart.claim import NAME
from quickstart.images import ARCHIVES
from quickstart.options import EXAMPLE
from tools.image_names import TARGETS, tag
from tools.kubectl import Kubectl

pytestmark = [pytest.mark.embedded, pytest.mark.serial]

GUIDE = REPOSITORY / "docs" / "guides" / "laptop.md"
CONTEXT = "kind-lwm"
SPACE = "elsewhere"
SECONDS = 900


def pasted(begin: str) -> str:
    """The one line of the guide that begins so."""
    (line,) = [line for line in GUIDE.read_text().splitlines() if line.startswith(begin)]
    return line


def short(path: Path) -> Path:
    """The example with a smaller model, two short stages of it."""
    training = yaml.safe_load(EXAMPLE.read_text())
    spec = training["spec"]
    spec["model"] |= {"layers": 2, "mlpWidth": 256}
    spec["accelerator"]["cpu"]["devicesPerHost"] = 2
    first, second = spec["stages"][:2]
    faster = {"peakLearningRate": 0.01, "warmupSteps": 10, "finalFraction": 0.3}
    first |= {"name": "ctx128", "contextLength": 128, "batchTokens": 2048, "steps": 90, "mesh": {"fsdp": 2, "sp": 2}, "optimizer": faster}
    second |= {"name": "ctx256", "contextLength": 256, "batchTokens": 4096, "steps": 12, "mesh": {"sp": 4}}
    spec["checkpoint"]["saveIntervalSteps"] = 50
    spec["stages"] = [first, second]
    path.write_text(yaml.safe_dump(training))
    return path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nset -e\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def machine(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has kubectl, helm, buildah, kind and a kubeconfig."""
    home = tmp_path_factory.mktemp("machine")
    programs = home / "bin"
    programs.mkdir()
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(binaries() / name)
    script(
        programs / "buildah",
        f"""export BUILDAH_ISOLATION=chroot
case "$1" in build) shift; set -- build --network=host --volume={images.wheels()}:/var/cache/uv "$@";; esac
exec flock {cache()}/images/build.lock {shutil.which("buildah")} {shlex.join(images.buildah()[1:])} "$@" """,
    )
    script(programs / "docker", "exit 1")  # a daemon of this machine's would not know the base image
    imports = [f'{shlex.join(map(str, nodes.ctr(node, "images", "import")))} "$3"' for node in cluster.nodes]
    script(
        programs / "kind", f'[ "$1 $2 $4 $5" = "load image-archive --name lwm" ]\n{chr(10).join(imports)}\necho "$IMAGE" >> {home}/loaded'
    )
    kubeconfig = json.loads(cluster.kubeconfig.read_text())
    kubeconfig["contexts"] = [{"name": CONTEXT, "context": kubeconfig["contexts"][0]["context"]}]
    kubeconfig["current-context"] = "nobody-asks-for-it"
    (home / "config").write_text(json.dumps(kubeconfig))
    ours = ("KUBECONFIG", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return {name: value for name, value in os.environ.items() if name not in ours} | {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "KUBECONFIG": str(home / "config"),
        "BASE": base_image.BASE_IMAGE,
    }


@dataclass(frozen=True)
class Run:
    """What the quickstart printed, and its exit status."""

    status: int
    text: str

    def commands(self, title: str) -> list[str]:
        """The indented lines below a title."""
        after = self.text.partition(f"\n{title}")[2].splitlines()[1:]
        return [line.strip() for line in after[: next((n for n, line in enumerate(after) if not line.strip()), len(after))]]


@pytest.fixture(scope="module")
def run(
    cluster: Cluster,
    built: tuple[str, str],
    kubectl: Kubectl,
    machine: dict[str, str],
    volume: Offer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    volume(SPACE)
    images.pull_base()
    example = short(tmp_path_factory.mktemp("example") / "short.yaml")
    line = f"{pasted(f'make quickstart CONTEXT={CONTEXT} ')} NAMESPACE={SPACE} QUICKSTART='--example {example}'"
    try:
        done = subprocess.run(["sh", "-c", line], cwd=REPOSITORY, env=machine, capture_output=True, text=True, timeout=SECONDS)
        yield Run(done.returncode, done.stdout + done.stderr)
    finally:
        installation.kubectl_for(cluster)("delete", "namespace", SPACE, "--ignore-not-found", "--wait=false")
        installation.install_operator(cluster, *built)  # as the other tests want it
        shutil.rmtree(ARCHIVES, ignore_errors=True)


def in_namespace(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster.kubeconfig, SPACE, str(binaries() / "kubectl"))


def test_the_example_runs_to_complete_learns_and_is_read_back_from_the_claim(run: Run, cluster: Cluster) -> None:
    assert run.status == 0, run.text
    assert re.search(r"(?m)^learned: mean loss", run.text)
    uid = in_namespace(cluster).get("lwmtraining", "bible")["metadata"]["uid"][:8]
    for stage, path in (("ctx128", "s1-ctx128/a1/90"), ("ctx256", "s2-ctx256/a1/12")):
        assert re.search(rf"(?m)^  {stage} +loss .* claim {NAME}: runs/{SPACE}/bible-{uid}/{path}$", run.text), run.text


def test_both_images_came_by_the_hook_under_the_commits_tag(run: Run, machine: dict[str, str]) -> None:
    loaded = (Path(machine["KUBECONFIG"]).parent / "loaded").read_text().split()
    assert loaded == [f"lwm-{target}:{tag()}" for target in TARGETS]


def test_both_hosts_ran_where_the_volume_is_and_the_pod_that_carried_the_data_is_gone(run: Run, cluster: Cluster) -> None:
    where = {pod["spec"]["nodeName"] for pod in pods_of(in_namespace(cluster), "bible-s2-a1")}
    assert len(where) == 1
    until(lambda: not in_namespace(cluster).get("pod", NAME), 30, "the pod that carried the data is gone")


def test_what_it_says_to_look_at_works_as_pasted(run: Run, machine: dict[str, str]) -> None:
    commands = run.commands("Look around")
    assert len(commands) == 5
    outputs = [subprocess.run(["sh", "-c", line], env=machine, check=True, capture_output=True, text=True).stdout for line in commands]
    assert "Complete" in outputs[0]
    assert all(outputs)


def test_what_takes_it_down_is_what_the_guide_says_and_leaves_neither_training_nor_claim(
    run: Run, machine: dict[str, str], cluster: Cluster
) -> None:
    commands = run.commands("Take it down")
    assert [line.replace(f"--namespace={SPACE} ", "--namespace=default ") for line in commands] == [
        pasted(f"kubectl --context={CONTEXT} --namespace=default delete lwmtraining"),
        pasted(f"kubectl --context={CONTEXT} --namespace=default delete persistentvolumeclaim"),
        pasted(f"helm --kube-context={CONTEXT}"),
    ]
    for line in commands[:2]:  # the operator is the other tests', too
        subprocess.run(["sh", "-c", line], env=machine, check=True, capture_output=True, timeout=120)
    assert not in_namespace(cluster).get("lwmtraining", "bible")
    assert not in_namespace(cluster).get("persistentvolumeclaim", NAME)
