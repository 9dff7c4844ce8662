"""Runs the layers of the test suite in order and times each: `python -m tools.test_layers check` or `python -m tools.test_layers all`.

Layers that need the embedded cluster are skipped on a machine that cannot run it; `python -m devcluster check` prints the reason. Skipping
is allowed locally and fails with `CI=true`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
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
    in_background: bool = False
    """Whether it only computes: it runs at the lowest priority beside the layers after it, in the time that these wait."""


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
REST = (  # The cluster begins anew: a run that was interrupted leaves its operator and its trainings.
    Layer("several processes", (_pytest(*BOTH_CORES, "tests/processes"),)),
    Layer("slow unit tests", (_pytest("-n", "2", "-m", "slow", "tests/unit"),), in_background=True),
    Layer("random histories", ([PYTHON, "-m", "simulation.soak"],), in_background=True),
    Layer("kernels", (_pytest(*BOTH_CORES, "tests/kernels"),), in_background=True),
    Layer("TPU compiler", (_pytest(*BOTH_CORES, "-m", "not soak", "tests/tpu"),), in_background=True),
    Layer("cluster up", (_cluster("down"), _cluster("up")), on_cluster=True),
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

    minutes: dict[str, float] = field(default_factory=dict)
    """The time of each layer that has ended. Layers in the background overlap with others."""
    failed: list[str] = field(default_factory=list)
    """The layers that ended the suite."""
    not_run: dict[str, str] = field(default_factory=dict)
    """The reason for each layer that was left out."""
    together: float = 0.0
    """Minutes from the beginning to the end."""

    def text(self) -> str:
        """The table that ends a run."""
        lines = ["minutes"]
        lines += [f"  {taken:5.1f}  {name}{'  FAILED' if name in self.failed else ''}" for name, taken in self.minutes.items()]
        lines.append(f"  {self.together:5.1f}  together")
        lines += [f"not run: {name}: {reason}" for name, reason in self.not_run.items()]
        return "\n".join(lines)

    def exit_code(self, ci: bool) -> int:
        return 1 if self.failed or (ci and self.not_run) else 0


class Programs:
    """Runs the commands of layers as processes of this machine."""

    def __init__(self) -> None:
        self._background: subprocess.Popen[str] | None = None
        self._stopped = False

    def run(self, command: Command) -> int:
        """Returns the exit code; the output goes where ours does."""
        return subprocess.run(command, cwd=ROOT, env=self._environment(), check=False).returncode

    def run_in_background(self, command: Command) -> tuple[int, str]:
        """Run at the lowest priority; returns the exit code and the output."""
        if self._stopped:
            return 1, ""
        # A session is scheduled as one group, whose priority counts first.
        lowest = 'echo 19 > /proc/self/autogroup 2> /dev/null; exec nice -n 19 "$@"'
        with subprocess.Popen(
            ["sh", "-c", lowest, "sh", *command],
            cwd=ROOT,
            env=self._environment(),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as self._background:
            output, _ = self._background.communicate()
        return self._background.returncode, output

    def stop_background(self) -> None:
        """End what runs in the background; nothing more is started there."""
        self._stopped = True
        if self._background is not None and self._background.poll() is None:
            os.killpg(self._background.pid, signal.SIGTERM)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONUNBUFFERED": "1"}


def run_suite(layers: Sequence[Layer], programs: Programs, cluster_obstacle: Callable[[], str | None]) -> Report:
    """Run layer after layer and stop at the first that fails.

    Layers in the background run one after the other beside those that come later; what they print comes between two layers in front.
    `cluster_obstacle` says why this machine cannot run the embedded cluster, None where it can; it is asked at the first layer
    that needs the cluster.
    """
    report = Report()
    began = time.monotonic()
    obstacle: str | None = None
    checked = False
    with ThreadPoolExecutor(1) as pool:
        background: list[tuple[Layer, Future[tuple[bool, str, float]]]] = []

        def print_ended(*, wait: bool = False) -> None:
            while background and not report.failed and (wait or background[0][1].done()):
                layer, future = background.pop(0)
                passed, output, minutes = future.result()
                print(f"== {layer.name}, in the background\n{output.rstrip()}", flush=True)
                report.minutes[layer.name] = minutes
                report.failed += [] if passed else [layer.name]

        try:
            for layer in layers:
                if layer.in_background:
                    background.append((layer, pool.submit(_run_behind, layer, programs)))
                    continue
                if layer.on_cluster and not checked:
                    obstacle, checked = cluster_obstacle(), True
                if layer.on_cluster and obstacle is not None:
                    report.not_run[layer.name] = obstacle
                    continue
                print(f"== {layer.name}", flush=True)
                start = time.monotonic()
                passed = all(programs.run(command) == 0 for command in layer.commands)
                report.minutes[layer.name] = (time.monotonic() - start) / 60
                report.failed += [] if passed else [layer.name]
                print_ended()
                if report.failed:
                    break
            print_ended(wait=True)
        finally:
            programs.stop_background()
    report.not_run |= {layer.name: "another layer failed" for layer, _ in background}
    report.together = (time.monotonic() - began) / 60
    return report


def _run_behind(layer: Layer, programs: Programs) -> tuple[bool, str, float]:
    """Whether the layer passed, what it printed, and its minutes."""
    start = time.monotonic()
    outputs: list[str] = []
    for command in layer.commands:
        code, output = programs.run_in_background(command)
        outputs.append(output)
        if code != 0:
            return False, "".join(outputs), (time.monotonic() - start) / 60
    return True, "".join(outputs), (time.monotonic() - start) / 60


def _cluster_obstacle() -> str | None:
    done = subprocess.run(_cluster("check"), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 1 or done.stderr:  # it can, or the check itself is broken: then starting the cluster shows what is wrong
        return None
    return done.stdout.strip()


def main(suite: str) -> int:
    report = run_suite(SUITES[suite], Programs(), _cluster_obstacle)
    print(f"\n{report.text()}")
    return report.exit_code(ci=os.environ.get("CI", "").lower() in ("1", "true"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
