"""Runs the layers of the test suite in order and times each: `python -m tools.test_layers check` or `python -m tools.test_layers all`.

Layers that need the embedded cluster are skipped on a machine that cannot run it; `python -m devcluster check` prints the reason. Skipping
is allowed locally and fails with `CI=true`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
TOOLS = Path(sys.executable).parent
SLOWEST_TESTS = 15
"""How many of its slowest tests a layer prints."""

Command = Sequence[str]


@dataclass(frozen=True)
class Layer:
    """Commands that run one after the other until one fails."""

    name: str
    commands: tuple[Command, ...]
    on_cluster: bool = False
    """Whether it needs the embedded cluster."""


def _pytest(*arguments: str) -> Command:
    return [PYTHON, "-m", "pytest", "-q", f"--durations={SLOWEST_TESTS}", "--durations-min=0.5", *arguments]


def _cluster(*arguments: str) -> Command:
    return [PYTHON, "-m", "devcluster", *arguments]


BOTH_CORES = ("-n", "2", "--dist=loadfile")
# What test_any_cluster shows of any cluster, the others show of this one; `make e2e` runs it.
PODS = ("tests/e2e", "--ignore=tests/e2e/test_any_cluster.py")
PACKAGES = ("cli", "operator", "trainer", "tests", "quickstart", "benchmarks", "devcluster", "tools")
CHECK = (
    Layer("format and lint", ([f"{TOOLS}/ruff", "format", "--check", "--quiet", "."], [f"{TOOLS}/ruff", "check", "--quiet", "."])),
    Layer("types", ([f"{TOOLS}/mypy", *PACKAGES],)),
    Layer("imports", ([f"{TOOLS}/lint-imports", "--no-logo"],)),
    Layer("generated files", ([PYTHON, "-m", "tools.docs.crd", "--check"], [PYTHON, "-m", "tools.docs", "--check"])),
    Layer("fast tests", (_pytest("-n", "2", "-m", "not slow", "tests/unit"),)),
)
REST = (
    Layer("slow unit tests", (_pytest("-n", "2", "-m", "slow", "tests/unit"),)),
    Layer("random histories", ([PYTHON, "-m", "simulation.soak"],)),
    Layer("kernels", (_pytest(*BOTH_CORES, "tests/kernels"),)),
    Layer("TPU compiler", (_pytest(*BOTH_CORES, "-m", "not soak", "tests/tpu"),)),
    Layer("several processes", (_pytest(*BOTH_CORES, "tests/processes"),)),
    Layer("cluster up", (_cluster("up"),), on_cluster=True),
    Layer("images", (_cluster("load-image"),), on_cluster=True),
    Layer("API server", (_pytest(*BOTH_CORES, "tests/api"),), on_cluster=True),
    Layer("pods side by side", (_pytest(*BOTH_CORES, "-m", "not serial", *PODS),), on_cluster=True),
    Layer("pods, one file after the other", (_pytest("-m", "serial", *PODS),), on_cluster=True),
    Layer("cluster down", (_cluster("down"),), on_cluster=True),
)
SUITES = {"check": CHECK, "all": CHECK + REST}


@dataclass
class Report:
    """What became of the layers of a suite."""

    minutes: dict[str, float]
    failed: str | None
    """The layer at which the suite stopped."""
    not_run: dict[str, str]
    """The reason for each layer that was left out."""

    def text(self) -> str:
        """The table that ends a run."""
        lines = ["minutes"]
        for name, taken in (self.minutes | {"together": sum(self.minutes.values())}).items():
            lines.append(f"  {taken:5.1f}  {name}{'  FAILED' if name == self.failed else ''}")
        lines += [f"not run: {name}: {reason}" for name, reason in self.not_run.items()]
        return "\n".join(lines)

    def exit_code(self, ci: bool) -> int:
        return 1 if self.failed or (ci and self.not_run) else 0


def run_suite(layers: Sequence[Layer], run: Callable[[Command], int], cluster_obstacle: Callable[[], str | None]) -> Report:
    """Run layer after layer and stop at the first that fails.

    `run` returns a command's exit code. `cluster_obstacle` says why this machine cannot run the embedded cluster, None where it can; it
    is asked at the first layer that needs the cluster.
    """
    report = Report({}, None, {})
    obstacle: str | None = None
    checked = False
    for layer in layers:
        if layer.on_cluster and not checked:
            obstacle, checked = cluster_obstacle(), True
        if layer.on_cluster and obstacle is not None:
            report.not_run[layer.name] = obstacle
            continue
        print(f"== {layer.name}", flush=True)
        start = time.monotonic()
        passed = all(run(command) == 0 for command in layer.commands)
        report.minutes[layer.name] = (time.monotonic() - start) / 60
        if not passed:
            report.failed = layer.name
            break
    return report


def _run(command: Command) -> int:
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, check=False).returncode


def _cluster_obstacle() -> str | None:
    done = subprocess.run(_cluster("check"), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 1 or done.stderr:  # it can, or the check itself is broken: then starting the cluster shows what is wrong
        return None
    return done.stdout.strip()


def main(suite: str) -> int:
    report = run_suite(SUITES[suite], _run, _cluster_obstacle)
    print(f"\n{report.text()}")
    return report.exit_code(ci=os.environ.get("CI", "").lower() in ("1", "true"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
