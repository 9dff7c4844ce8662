"""The command line: what belongs together, and what is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quickstart.options import EXTERNAL_OPTIONS, parse
from tools.image_names import REPOSITORY


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LWM_"):
            monkeypatch.delenv(name)


def variables() -> list[str]:
    return [name.replace("-", "_").upper() for name in EXTERNAL_OPTIONS]


def test_without_a_context_it_is_the_embedded_cluster() -> None:
    options = parse([])
    assert (options.context, options.name, options.namespace, options.access_mode) == ("", "lwm-quickstart", "default", "ReadWriteOnce")


def test_what_make_was_told_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM_CONTEXT", "kind-x")
    monkeypatch.setenv("LWM_IMAGE_LOAD", "kind load image-archive $ARCHIVE")
    monkeypatch.setenv("LWM_BUCKET", "gs://mine")
    options = parse([])
    assert (options.context, options.image_load, options.bucket) == ("kind-x", "kind load image-archive $ARCHIVE", "mine")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--image-load=true"], "IMAGE_LOAD is for external clusters: set CONTEXT="),
        (["--context=x", "--local"], "LOCAL=1 and CONTEXT exclude each other"),
        (["--context=x", "--bucket=mine"], "BUCKET=mine: must be gs://"),
        (["--context=x", "--bucket=gs://mine/folder"], "without a folder"),
        (["--context=x", "--access-mode=RWO"], "ACCESS_MODE=RWO: must be ReadWriteOnce or ReadWriteMany"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_cure(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)
    assert message in capsys.readouterr().err


def test_make_hands_on_every_variable_of_its_command_line_as_it_stands_and_none_of_the_shell(tmp_path: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(re.sub(r"(?m)^include .*$", "", makefile) + "\nprobe:\n\t@env | grep ^LWM_ || true\n")
    hook = 'kind load image-archive $ARCHIVE --name "$IMAGE"'
    assignments = [f"{name}={hook if name == 'IMAGE_LOAD' else name.lower()}" for name in variables()]

    def exported(*words: str, **environment: str) -> set[str]:
        command = ["make", "--silent", "--directory", str(tmp_path), "probe", *words]
        done = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
        return {line for line in done.stdout.splitlines() if not line.startswith("LWM_UV=")}

    assert exported(*assignments) == {f"LWM_{assignment}" for assignment in assignments}
    assert exported(CONTEXT="kind-x", NAMESPACE="mine") == set()


def test_on_a_context_nothing_of_the_embedded_cluster_is_imported() -> None:
    script = "import sys, quickstart.__main__, quickstart.external; print([n for n in sys.modules if n.split('.')[0] == 'devcluster'])"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
