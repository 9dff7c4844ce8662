"""The layers of the test suite in their order, each timed: `python -m tools.test_layers check` or `python -m tools.test_layers all`."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
TOOLS = Path(sys.executable).parent

Command = Sequence[str]

CHECK: dict[str, list[Command]] = {
    "format and lint": [[f"{TOOLS}/ruff", "format", "--check", "--quiet", "."], [f"{TOOLS}/ruff", "check", "--quiet", "."]],
    "types": [[f"{TOOLS}/mypy", "cli", "operator", "trainer", "tests", "quickstart", "benchmarks", "devcluster", "tools"]],
    "layers": [[f"{TOOLS}/lint-imports", "--no-logo"]],
    "generated": [[PYTHON, "-m", "lwm_operator.api.crd", "--check"], [PYTHON, "-m", "tools.docs.__main__", "--check"]],
    "fast tests": [[PYTHON, "-m", "pytest", "-q", "-n", "2", "tests/unit"]],
}
CLUSTER = [PYTHON, "-m", "devcluster"]
REST: dict[str, list[Command]] = {
    "histories": [[PYTHON, "-m", "simulation.soak", "--count", "5000"]],
    "kernels": [[PYTHON, "-m", "pytest", "-q", "tests/kernels"]],
    "TPU compiler": [[PYTHON, "-m", "pytest", "-q", "tests/tpu"]],
    "several processes": [[PYTHON, "-m", "pytest", "-q", "tests/processes"]],
    "cluster": [[*CLUSTER, "up"]],
    "images": [[*CLUSTER, "load-image"]],
    "API server": [[PYTHON, "-m", "pytest", "-q", "tests/api"]],
    # What test_anywhere shows of any cluster, the others show of this one; `make e2e` runs it.
    "pods": [[PYTHON, "-m", "pytest", "-q", "tests/e2e", "--ignore=tests/e2e/test_anywhere.py"]],
    "cluster down": [[*CLUSTER, "down"]],
}


def main(which: str) -> int:
    """Run layer after layer; stop at the first that fails. Prints the minutes of each, also then."""
    layers = CHECK if which == "check" else CHECK | REST
    minutes: dict[str, float] = {}
    failed = None
    for name, commands in layers.items():
        print(f"== {name}", flush=True)
        start = time.monotonic()
        ok = all(subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode == 0 for command in commands)
        minutes[name] = (time.monotonic() - start) / 60
        if not ok:
            failed = name
            break
    print("\nminutes")
    for name, taken in (minutes | {"together": sum(minutes.values())}).items():
        print(f"  {taken:5.1f}  {name}{'  FAILED' if name == failed else ''}")
    return 1 if failed else 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
