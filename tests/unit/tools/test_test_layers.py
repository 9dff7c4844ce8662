import sys
import threading
import time

import pytest

from tools.test_layers import SUITES, Command, Layer, Programs, Report, run_suite

LAYERS = (
    Layer("types", (["types"],)),
    Layer("cluster up", (["up"],), on_cluster=True),
    Layer("pods", (["pods"],), on_cluster=True),
    Layer("kernels", (["kernels"],)),
)


class RecordedPrograms(Programs):
    """Takes down the commands instead of running them."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.failing, self.commands = failing, list[str]()

    def run(self, command: Command) -> int:
        self.commands.append(command[0])
        return int(command[0] in self.failing)

    def run_in_background(self, command: Command) -> tuple[int, str]:
        return self.run(command), f"output of {command[0]}"


def run(*failing: str, obstacle: str | None = None) -> tuple[Report, list[str]]:
    """The report, and the commands that were run."""
    programs = RecordedPrograms(*failing)
    return run_suite(LAYERS, programs, lambda: obstacle), programs.commands


@pytest.mark.parametrize("ci", [False, True])
def test_a_machine_that_can_run_the_cluster_runs_every_layer(ci: bool) -> None:
    report, commands = run()
    assert commands == ["types", "up", "pods", "kernels"]
    assert report.exit_code(ci) == 0
    assert list(report.minutes) == ["types", "cluster up", "pods", "kernels"]
    assert "not run" not in report.text()


def test_a_machine_that_cannot_runs_every_other_layer_and_says_in_a_line_each_what_was_not_run() -> None:
    report, commands = run(obstacle="it needs root")
    assert commands == ["types", "kernels"]
    assert report.text().splitlines()[-2:] == ["not run: cluster up: it needs root", "not run: pods: it needs root"]
    assert [report.exit_code(ci) for ci in (False, True)] == [0, 1]


@pytest.mark.parametrize("obstacle", [None, "it needs root"])
def test_a_failed_layer_ends_the_suite_and_is_named(obstacle: str | None) -> None:
    report, commands = run("types", obstacle=obstacle)
    assert commands == ["types"]
    assert "types  FAILED" in report.text()
    assert [report.exit_code(ci) for ci in (False, True)] == [1, 1]


def test_a_layer_ends_at_its_first_failing_command() -> None:
    programs = RecordedPrograms("format", "lint")
    run_suite([Layer("format and lint", (["format"], ["lint"]))], programs, lambda: None)
    assert programs.commands == ["format"]


def test_only_a_suite_with_a_layer_on_the_cluster_asks_for_one() -> None:
    def never() -> str | None:
        raise AssertionError("nobody needs the cluster")

    assert not any(layer.on_cluster for layer in SUITES["check"])
    run_suite(SUITES["check"], RecordedPrograms(), never)


def test_a_layer_in_the_background_runs_beside_the_next_ones_and_prints_between_two(capsys: pytest.CaptureFixture[str]) -> None:
    histories_run, pods_run = threading.Event(), threading.Event()

    class Beside(RecordedPrograms):
        def run(self, command: Command) -> int:
            if command[0] == "pods":
                pods_run.set()
                assert histories_run.wait(10), "the layer in the background has begun"
            return super().run(command)

        def run_in_background(self, command: Command) -> tuple[int, str]:
            histories_run.set()
            assert pods_run.wait(10), "the layer in front has begun"
            return super().run_in_background(command)

    layers = [Layer("histories", (["histories"],), in_background=True), Layer("pods", (["pods"],), on_cluster=True)]
    report = run_suite(layers, Beside(), lambda: None)
    assert (set(report.minutes), report.failed) == ({"histories", "pods"}, [])
    assert capsys.readouterr().out == "== pods\n== histories, in the background\noutput of histories\n"


def test_a_layer_that_fails_in_the_background_fails_the_suite() -> None:
    layers = [Layer("kernels", (["kernels"],), in_background=True), Layer("pods", (["pods"],))]
    report = run_suite(layers, RecordedPrograms("kernels"), lambda: None)
    assert "kernels  FAILED" in report.text()
    assert "pods  FAILED" not in report.text()
    assert report.exit_code(ci=False) == 1


def test_a_failure_in_front_stops_what_runs_in_the_background() -> None:
    class OneFails(Programs):
        def run(self, command: Command) -> int:
            while self._background is None:
                time.sleep(0.01)
            return 1

    layers = [
        Layer("histories", ([sys.executable, "-c", "import time; time.sleep(600)"],), in_background=True),
        Layer("kernels", ([sys.executable, "-c", "raise SystemExit(3)"],), in_background=True),
        Layer("pods", (["pods"],)),
    ]
    report = run_suite(layers, OneFails(), lambda: None)
    assert report.failed == ["pods"]
    assert report.not_run == {"histories": "another layer failed", "kernels": "another layer failed"}
    assert report.together < 1


def test_a_command_in_the_background_has_the_lowest_priority_and_its_output_is_returned() -> None:
    code, output = Programs().run_in_background(
        [sys.executable, "-c", "import os; print(os.nice(0)); print('gone', flush=True); os._exit(7)"]
    )
    assert (code, output) == (7, "19\ngone\n")
