from collections.abc import Sequence

import pytest

from tools.test_layers import SUITES, Layer, Report, run_suite

LAYERS = (
    Layer("types", (["types"],)),
    Layer("cluster up", (["up"],), on_cluster=True),
    Layer("pods", (["pods"],), on_cluster=True),
    Layer("kernels", (["kernels"],)),
)


def run(*failing: str, obstacle: str | None = None) -> tuple[Report, list[str]]:
    """The report, and the commands that were run."""
    commands: list[str] = []

    def command(words: Sequence[str]) -> int:
        commands.append(words[0])
        return int(words[0] in failing)

    return run_suite(LAYERS, command, lambda: obstacle), commands


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
    commands: list[str] = []

    def command(words: Sequence[str]) -> int:
        commands.append(words[0])
        return 1

    run_suite([Layer("format and lint", (["format"], ["lint"]))], command, lambda: None)
    assert commands == ["format"]


def test_only_a_suite_with_a_layer_on_the_cluster_asks_for_one() -> None:
    def never() -> str | None:
        raise AssertionError("nobody needs the cluster")

    assert not any(layer.on_cluster for layer in SUITES["check"])
    run_suite(SUITES["check"], lambda words: 0, never)
