"""`python -m quickstart`: prepare a cluster, or none, run the example training to its end, and plot its loss."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from quickstart.learning_check import LearningCheck
from quickstart.loss_plot import draw
from quickstart.options import parse
from quickstart.report import write_report
from quickstart.results import StageRecord
from quickstart.times import Times
from quickstart.training import Manifest, PreparedCluster, diagnostics, read, replace_training
from quickstart.watch import TrainingError, stage_seconds, watch
from tools.kubectl import CommandError

BUILD = Path(__file__).resolve().parents[1] / "build" / "quickstart"
PICTURE, REPORT = BUILD / "loss.png", BUILD / "report.html"


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when the training is complete and has learned."""
    options = parse(arguments)
    try:
        check = _without_cluster(options) if _is_local(options) else _on_cluster(options)
    except (CommandError, TrainingError, ValueError) as error:
        print(f"\nerror: {error}")
        return 1
    return 0 if check.learned else 1


def _is_local(options: argparse.Namespace) -> bool:
    """Whether to train without a cluster: when asked to, and where the embedded one cannot start, which is said in one sentence."""
    if options.local or options.context:
        return bool(options.local)
    from devcluster.checks import obstacle

    reason = obstacle()
    if reason is not None:
        print(f"The embedded cluster cannot start, so this trains without one, as `make quickstart LOCAL=1` does: {reason}.", flush=True)
    return reason is not None


def _without_cluster(options: argparse.Namespace) -> LearningCheck:
    """The example in local mode. Raises TrainingError and ValueError."""
    from quickstart import local

    times = Times()
    training, stages, check = local.run(options, times)
    _draw(training, stages, check)
    _print_results(stages, check, times.table(planned=False))
    print("\nLook around (paste these commands):", *local.commands(training), sep="\n  ")
    return check


def _on_cluster(options: argparse.Namespace) -> LearningCheck:
    """The example on the embedded cluster or on the user's. Raises CommandError, TrainingError and ValueError."""
    if options.context:
        from quickstart.external import prepared
    else:  # all that belongs to the embedded cluster is imported here
        from quickstart.embedded import prepared
    training, times = read(options.example), Times()
    with prepared(options, training, times) as cluster:
        stages, check = _follow(cluster, times, keep=options.keep, seconds=options.timeout * 60)
    _print_results(stages, check, times.table())
    _print_commands(cluster, len(stages))
    return check


def _follow(cluster: PreparedCluster, times: Times, *, keep: bool, seconds: float) -> tuple[list[StageRecord], LearningCheck]:
    """Runs the training to its end and reads its results. Raises TrainingError, after it has printed diagnostics."""
    kubectl, name = cluster.kubectl, cluster.training["metadata"]["name"]
    if not (keep and kubectl.get("lwmtraining", name)):
        replace_training(kubectl, cluster.training)
    try:
        training = watch(kubectl, name, seconds)
    except TrainingError:
        print(f"\n{diagnostics(kubectl, name)}")
        raise
    times.seconds |= {f"stage {number}": taken for number, taken in enumerate(stage_seconds(training), start=1)}
    with times.part("reading"):
        stages, check = cluster.read_results(training)
        _draw(training, stages, check)
    return stages, check


def _draw(training: Manifest, stages: Sequence[StageRecord], check: LearningCheck) -> None:
    name = training["metadata"]["name"]
    write_report(training, stages, REPORT)
    growth = f"{stages[0].context_length:,} to {stages[-1].context_length:,}"
    draw(stages, check.entropy, PICTURE, f"{name}: one training, its context grown from {growth} tokens")


def _print_results(stages: Sequence[StageRecord], check: LearningCheck, times: str) -> None:
    print("\nCheckpoints, one per stage:")
    for stage in stages:
        print(f"  {stage.name:<10} loss {stage.losses[0]:.3f} -> {stage.losses[-1]:.3f}{_held_out(stage)}  {stage.checkpoint}")
    print(f"\nPicture: {PICTURE}\nReport:  {REPORT}\n{check}\n\n{times}")


def _held_out(stage: StageRecord) -> str:
    return "" if stage.validation_loss is None else f", held-out {stage.validation_loss:.3f}"


def _print_commands(cluster: PreparedCluster, stages: int) -> None:
    name, kubectl = cluster.training["metadata"]["name"], cluster.kubectl_command
    commands = [
        *([cluster.setup] if cluster.setup else []),
        f"{kubectl} get lwmt -o wide",
        f"{kubectl} describe lwmt {name}",
        f"{kubectl} get jobs,pods -o wide -l lwm.dev/training={name}",
        f"{kubectl} logs -l lwm.dev/stage={stages} --prefix --tail=5",
        f"{kubectl} -n lwm-system logs deployment/lwm-operator --tail=20",
    ]
    print("\nLook around (paste these commands):", *commands, sep="\n  ")
    print("\nTake it down:", *cluster.teardown, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
