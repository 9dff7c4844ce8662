"""`python -m quickstart`: prepare a cluster, run the example training to its end, and plot its loss."""

import sys
from collections.abc import Sequence
from pathlib import Path

from quickstart.learning_check import LearningCheck
from quickstart.loss_plot import draw
from quickstart.options import parse
from quickstart.results import StageRecord
from quickstart.times import Times
from quickstart.training import PreparedCluster, diagnostics, read, replace_training
from quickstart.watch import TrainingError, stage_seconds, watch
from tools.kubectl import CommandError

PICTURE = Path(__file__).resolve().parents[1] / "build" / "quickstart" / "loss.png"


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when the training is complete and has learned."""
    options = parse(arguments)
    if options.context:
        from quickstart.external import prepared
    else:  # all that belongs to the embedded cluster is imported here
        from quickstart.embedded import prepared
    training, times = read(options.example), Times()
    try:
        with prepared(options, training, times) as cluster:
            stages, check = _follow(cluster, times, keep=options.keep, seconds=options.timeout * 60)
    except (CommandError, TrainingError, ValueError) as error:
        print(f"\nerror: {error}")
        return 1
    _print_results(cluster, stages, check, times)
    return 0 if check.learned else 1


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
        growth = f"{stages[0].context_length:,} to {stages[-1].context_length:,}"
        draw(stages, check.entropy, PICTURE, f"{name}: one training, its context grown from {growth} tokens")
    return stages, check


def _print_results(cluster: PreparedCluster, stages: Sequence[StageRecord], check: LearningCheck, times: Times) -> None:
    name, kubectl = cluster.training["metadata"]["name"], cluster.kubectl_command
    print("\nCheckpoints, one per stage:")
    for stage in stages:
        print(f"  {stage.name:<10} loss {stage.losses[0]:.3f} -> {stage.losses[-1]:.3f}  {stage.checkpoint}")
    print(f"\nPicture: {PICTURE}\n{check}\n\n{times.table()}")
    commands = [
        *([cluster.setup] if cluster.setup else []),
        f"{kubectl} get lwmt -o wide",
        f"{kubectl} describe lwmt {name}",
        f"{kubectl} get jobs,pods -o wide -l lwm.dev/training={name}",
        f"{kubectl} logs -l lwm.dev/stage={len(stages)} --prefix --tail=5",
        f"{kubectl} -n lwm-system logs deployment/lwm-operator --tail=20",
    ]
    print("\nLook around (paste these commands):", *commands, sep="\n  ")
    print("\nTake it down:", *cluster.teardown, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
