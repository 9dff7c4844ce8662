"""Install the wheel of this checkout into clean environments, one per extra and Python, and start each command.

`python -m tools.check_packaging [--python 3.12 ...] [--extra trainer ...]`. Needs uv (LWM_UV or PATH) and the package registry.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNREACHABLE = ("error sending request", "Failed to fetch", "dns error", "Network connectivity is disabled")
"""What uv prints when it cannot reach the registry."""


@dataclass(frozen=True)
class Probe:
    """A command that an environment must answer with this exit code and these words on standard output or error."""

    command: str
    exit_code: int
    words: str = ""


PROBES: dict[str, list[Probe]] = {
    "": [
        Probe("lwm --help", 0, "Usage: lwm"),
        Probe("lwm --version", 0, "lwm 0."),
        Probe("lwm-operator --help", 0, "LWM_TRAINER_IMAGE"),
        Probe("lwm-trainer --help", 0, "LWM_CONFIG"),
        Probe("lwm-operator", 1, "pip install 'lwm-operator[operator]'"),
        Probe("lwm-trainer", 1, "pip install 'lwm-operator[trainer]'"),
        Probe("lwm fit x.yaml", 1, "pip install 'lwm-operator[fit]'"),
        Probe("lwm data inspect x.yaml", 1, "pip install 'lwm-operator[local]'"),
        Probe("lwm train x.yaml", 1, "pip install 'lwm-operator[local]'"),
        Probe("lwm serve a", 1, "pip install 'lwm-operator[serve]'"),
        Probe("lwm convert from-hf a b", 1, "pip install 'lwm-operator[trainer]'"),
        Probe("lwm vision encode a", 1, "pip install 'lwm-operator[vision]'"),
    ],
    "operator": [
        Probe("python -c 'import lwm_operator.controller.kopf_process'", 0),
        Probe("lwm-operator", 64, "LWM_TRAINER_IMAGE"),
        Probe("lwm-trainer", 1, "pip install 'lwm-operator[trainer]'"),
    ],
    "trainer": [
        Probe("python -c 'import lwm_trainer.train, lwm_trainer.preparation.worker'", 0),
        Probe("lwm-trainer", 64, "LWM_CONFIG"),
        Probe("lwm convert --help", 0, "from-hf"),
        Probe("lwm-operator", 1, "pip install 'lwm-operator[operator]'"),
    ],
    "wandb": [
        Probe("python -c 'import lwm_trainer.train, wandb'", 0),
    ],
    "mlflow": [
        Probe("python -c 'import lwm_trainer.train, mlflow'", 0),
    ],
    "vision": [
        Probe("lwm vision --help", 0, "import"),
    ],
    "local": [
        Probe("lwm train --help", 0, "Exit codes"),
        Probe("lwm train none.yaml", 2, "No such file"),
        Probe("lwm status", 0, "no trainings"),
        Probe(
            "python -c 'import lwm, sys; sys.excepthook = lambda _, error, __: print(error); lwm.Training.at(\"none\")'",
            1,
            "no lwm train has written there",
        ),
    ],
    "serve": [
        Probe("lwm serve none --host 0.0.0.0", 2, "LWM_API_KEY"),
    ],
    "fit": [
        Probe("lwm fit --help", 0, "Usage: lwm fit"),
        Probe(f"lwm fit {ROOT}/examples/laptop.yaml", 0),
    ],
}


def main(arguments: list[str]) -> int:
    """Print a line for each environment; return 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_packaging", description=__doc__)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters, by version or path (default: this one)")
    parser.add_argument(
        "--extra",
        nargs="+",
        default=list(PROBES),
        choices=list(PROBES),
        help="extras (default: an environment without extras, and one per extra)",
    )
    options = parser.parse_args(arguments)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        for python in options.python:
            for extra in options.extra:
                problems = check(wheel, extra, python, Path(folder) / f"venv-{extra or 'base'}")
                print(f"{python} [{extra}]: {'; '.join(problems) or 'ok'}", flush=True)
                failures += bool(problems)
    return 1 if failures else 0


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, in `folder`."""
    _install([_uv(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT])
    return next(folder.glob("*.whl"))


def check(wheel: Path, extra: str, python: str, environment: Path) -> list[str]:
    """Make the environment, install the wheel with `extra`, and return a sentence for each probe that failed."""
    subprocess.run([_uv(), "venv", "--quiet", "--clear", "--python", python, environment], check=True)
    requirement = f"lwm-operator[{extra}] @ {wheel.as_uri()}" if extra else f"lwm-operator @ {wheel.as_uri()}"
    _install([_uv(), "pip", "install", "--quiet", "--python", environment / "bin" / "python", requirement])
    return [problem for probe in PROBES[extra] if (problem := _problem(probe, environment)) is not None]


def _install(command: Sequence[str | Path]) -> None:
    """Run a command that reads the package registry. Raises RuntimeError with one sentence when uv cannot reach it."""
    completed = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if completed.returncode == 0:
        return
    if any(words in completed.stderr for words in UNREACHABLE):
        raise RuntimeError(
            "the package registry cannot be reached, and this check installs from it: connect, or set UV_DEFAULT_INDEX to a mirror"
        )
    raise RuntimeError(f"{' '.join(map(str, command))} failed: {completed.stderr.strip()}")


def _problem(probe: Probe, environment: Path) -> str | None:
    """Run the probe outside the checkout, with nothing of this environment but its PATH, and compare."""
    variables = {"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": str(environment), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(["/bin/sh", "-c", probe.command], cwd=environment, env=variables, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if done.returncode != probe.exit_code or probe.words not in output or "Traceback" in output:
        return f"`{probe.command}` gave exit code {done.returncode} instead of {probe.exit_code}, or not {probe.words!r}: {output[-400:]}"
    return None


def _uv() -> str:
    """The uv of the Makefile, of PATH, or of an earlier `make setup`."""
    cache = Path(os.environ.get("LWM_CACHE") or Path.home() / ".cache" / "lwm-operator")
    uv = os.environ.get("LWM_UV") or shutil.which("uv") or next((str(path) for path in cache.glob("uv-*/bin/uv")), None)
    if uv is None:
        raise SystemExit("uv is needed: `make check-packaging` brings its own, or `pip install uv`")
    return uv


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as error:
        sys.exit(f"error: {error}")
