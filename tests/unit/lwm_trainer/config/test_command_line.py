"""The operator and the trainer answer --help and --version before they read their environment."""

import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lwm_cli.__main__ import main as lwm
from lwm_operator.__main__ import HELP
from lwm_operator.controller import settings
from lwm_trainer.config import command_line
from lwm_trainer.config.command_line import parse_no_options, version
from lwm_trainer.config.extras import DISTRIBUTION


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LWM_", "JOB_"))}
    environment["LWM_TERMINATION_PATH"] = os.devnull
    return subprocess.run([sys.executable, "-m", module, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("lwm_operator", ["usage: lwm-operator", "LWM_TRAINER_IMAGE", "LWM_WATCH_NAMESPACES", "Exit codes", "64"]),
        ("lwm_trainer", ["usage: lwm-trainer", "LWM_CONFIG", "JOB_COMPLETION_INDEX", "Exit codes", "79  peer lost"]),
    ],
)
def test_help_names_the_variables_and_the_exit_codes(module: str, words: list[str]) -> None:
    completed = run(module, "--help")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert [word for word in words if word not in completed.stdout] == []


def test_help_of_the_operator_names_every_setting() -> None:
    variables = re.findall(r'variables(?:\.get\(|, )"(\w+)"', inspect.getsource(settings))
    assert len(variables) > 5
    assert [name for name in variables if f"  {name} " not in HELP] == []


@pytest.mark.parametrize("module", ["lwm_operator", "lwm_trainer"])
def test_without_arguments_the_environment_decides(module: str) -> None:
    completed = run(module)
    assert completed.returncode == 64
    assert {"lwm_operator": "LWM_TRAINER_IMAGE: it is missing", "lwm_trainer": "LWM_CONFIG="}[module] in completed.stderr


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_no_options("lwm-operator", "", ["--version"])
    assert ended.value.code == 0
    assert lwm(["--version"]) == 0
    number = importlib.metadata.version(DISTRIBUTION)
    assert capsys.readouterr().out == f"lwm-operator {number}\nlwm {number}\n"


def test_version_in_an_image_is_that_of_the_pyproject_beside_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command_line, "DISTRIBUTION", "no-such-distribution")
    monkeypatch.setattr(command_line, "PROJECT", tmp_path / "pyproject.toml")
    assert version() == "unknown"
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert version() == "1.2.3"


def test_another_argument_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_no_options("lwm-trainer", "", ["--steps", "3"])
    assert ended.value.code == 64
    assert "lwm-trainer: error: unrecognized arguments: --steps 3" in capsys.readouterr().err


def test_an_unknown_command_of_lwm_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert lwm(["--verbose"]) == 2
    assert "Usage: lwm" in capsys.readouterr().err
