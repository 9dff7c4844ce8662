"""docs/guides/gke-tpu.md and gpu.md, typed in as they stand: what needs no cloud and no accelerator, against a real API server.

A block's info string says what is done with it: `sh run` is run, `yaml apply` applied, `yaml NAME` saved as NAME. GitHub shows none of it.
"""

import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from devcluster.paths import REPOSITORY, binaries
from lwm_operator.api.names import KIND
from lwm_operator.api.training import parse_training
from lwm_operator.plan.validation.validate import validate
from lwm_operator.platforms.gpu import PROFILES
from lwm_operator.platforms.tpu import slice_shape
from support.helm_chart import helm

GUIDES = REPOSITORY / "docs" / "guides"
NAMES = ("gke-tpu", "gpu")
VALUES = {"REGION-docker.pkg.dev/PROJECT/lwm": "registry.example/lwm", "REGISTRY": "registry.example/lwm"}
"""What a reader puts in."""


@dataclass(frozen=True)
class Block:
    info: str
    text: str


def text(name: str) -> str:
    return (GUIDES / f"{name}.md").read_text()


def blocks(name: str) -> list[Block]:
    return [Block(info, body) for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```$", text(name), re.MULTILINE | re.DOTALL)]


def filled(body: str, namespace: str) -> str:
    for word, value in {**VALUES, "lwm-work": namespace}.items():
        body = body.replace(word, value)
    return body


def bash(script: str, folder: Path, stdin: str = "") -> str:
    path = f"{binaries()}:/usr/local/bin:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(kubeconfig: Path, definition: None, tmp_path: Path) -> Path:
    """As a clone looks from its root."""
    (tmp_path / "kubeconfig").write_bytes(kubeconfig.read_bytes())
    for name in ("charts", "examples"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path


@pytest.fixture
def work(folder: Path) -> Iterator[str]:
    name = f"guide-{uuid.uuid4().hex[:8]}"
    yield name
    bash(f"kubectl delete namespace {name} --wait=false --ignore-not-found", folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_guides_commands_do_what_they_say(name: str, folder: Path, work: str) -> None:
    done = []
    for block in blocks(name):
        body = filled(block.text, work)
        match block.info.split():
            case ["yaml", "apply"]:
                done.append(bash("kubectl apply --filename=-", folder, body))
            case ["sh", "run"] if "helm install" not in body:
                done.append(bash(body, folder))
            case ["yaml", file]:
                (folder / file).write_text(body)
    output = "".join(done)
    assert f"namespace/{work} created" in output
    assert "created (server dry run)" in output
    assert re.search(r"^NAME .* MESSAGE$", output, re.MULTILINE), "kubectl get lwmt -o wide shows the training"
    if name == "gpu":
        assert "pod/loader created" in output, "the loader is a restricted pod"
        assert f"namespace/{work} labeled" in output


@pytest.mark.parametrize(("name", "accelerator"), [("gke-tpu", "tpu"), ("gpu", "gpu")])
def test_a_guides_installation_takes_the_images_that_it_built(name: str, accelerator: str) -> None:
    (command,) = [filled(block.text, "lwm-work") for block in blocks(name) if "helm install" in block.text]
    words = command.replace("\\\n", " ").split()[2:]
    done = helm("template", *words[:1], str(REPOSITORY / words[1]), "--kube-version=1.37.2", *words[2:])
    assert done.returncode == 0, done.stderr
    (deployment,) = [body for body in yaml.safe_load_all(done.stdout) if body and body["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    images = [container["image"], next(each["value"] for each in container["env"] if each["name"] == "LWM_TRAINER_IMAGE")]
    assert images == ["registry.example/lwm/lwm-operator:0.1.0", f"registry.example/lwm/lwm-trainer:0.1.0-{accelerator}"]
    whole = filled(text(name), "lwm-work")
    assert f"--target trainer --build-arg ACCELERATOR={accelerator} -t {images[1]} ." in whole
    assert all(f"docker push {image}" in whole for image in images)
    values = [word for word in words if word.startswith(("image.", "trainer."))]
    linted = helm("lint", "--strict", str(REPOSITORY / words[1]), *(f"--set={each}" for each in values))
    assert linted.returncode == 0, linted.stdout


def test_the_first_tpu_training_fits_the_node_pool_before_it() -> None:
    (body,) = [yaml.safe_load(block.text) for block in blocks("gke-tpu") if block.info == "yaml first.yaml"]
    assert body["kind"] == KIND
    body["metadata"] |= {"namespace": "lwm-work", "uid": "1a2b3c4d-0000-0000-0000-000000000000"}
    spec = parse_training(body).spec
    assert validate(spec) == ()
    assert spec.accelerator.tpu is not None
    shape = slice_shape(spec.accelerator.tpu.family, spec.accelerator.tpu.topology)
    pool = f"--machine-type={shape.machine} --tpu-topology={spec.accelerator.tpu.topology} --num-nodes={shape.hosts} "
    assert pool in text("gke-tpu")
    body["spec"]["accelerator"]["tpu"]["topology"] = "4x4x3"
    (violation,) = validate(parse_training(body).spec)
    assert f"`{violation}`" in text("gke-tpu"), "the guide quotes what is said of a wrong topology"


def test_the_gpu_guide_says_which_profiles_need_a_privileged_namespace() -> None:
    whole = text("gpu").replace("\n", " ")
    _, _, rest = whole.partition("platforms.md#gpu-profiles). ")
    fit, _, others = rest.partition(" All others (")
    others = others.partition(")")[0]
    levels = {"restricted": fit, "privileged": others}
    for level, sentence in levels.items():
        named = {each for each in re.findall(r"`([a-z0-9-]+)`", sentence) if each in PROFILES}
        assert named == {each.name for each in PROFILES.values() if each.pod_security == level}


@pytest.mark.parametrize("name", NAMES)
def test_a_guides_links_lead_somewhere(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text(name)) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (GUIDES / link).resolve().exists()] == []
