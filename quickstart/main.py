"""From nothing to a finished training: a cluster made ready, the training, its picture."""

from collections.abc import Sequence
from pathlib import Path

from quickstart.learned import Verdict
from quickstart.manifest import read
from quickstart.options import parse
from quickstart.picture import draw
from quickstart.ready import Ready
from quickstart.record import StageRecord
from quickstart.times import Times
from quickstart.training import apply_anew, evidence
from quickstart.watch import TrainingError, stage_seconds, watch
from tools.kubectl import CommandError

PICTURE = Path(__file__).resolve().parents[1] / "build" / "quickstart" / "loss.png"


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when the training is complete and has learned."""
    options = parse(arguments)
    if options.context:
        from quickstart.elsewhere import ready
    else:  # all that belongs to the embedded cluster is imported here
        from quickstart.embedded import ready
    training, times = read(options.example), Times()
    try:
        with ready(options, training, times) as place:
            stages, verdict = _follow(place, times, keep=options.keep, seconds=options.timeout * 60)
    except TrainingError as error:
        print(f"\nerror: {error}")
        return 1
    except (CommandError, ValueError) as error:
        print(f"\nerror: {error}")
        return 1
    _tell(place, stages, verdict, times)
    return 0 if verdict.learned else 1


def _follow(place: Ready, times: Times, *, keep: bool, seconds: float) -> tuple[list[StageRecord], Verdict]:
    """The training to its end, and what it left. Raises TrainingError, after the evidence was printed."""
    kubectl, name = place.kubectl, place.training["metadata"]["name"]
    if not (keep and kubectl.get("lwmtraining", name)):
        apply_anew(kubectl, place.training)
    try:
        training = watch(kubectl, name, seconds)
    except TrainingError:
        print(f"\n{evidence(kubectl, name)}")
        raise
    times.seconds |= {f"stage {number}": taken for number, taken in enumerate(stage_seconds(training), start=1)}
    with times.part("reading"):
        stages, verdict = place.read(training)
        growth = f"{stages[0].context_length:,} to {stages[-1].context_length:,}"
        draw(stages, verdict.entropy, PICTURE, f"{name}: one training, its context grown from {growth} tokens")
    return stages, verdict


def _tell(place: Ready, stages: Sequence[StageRecord], verdict: Verdict, times: Times) -> None:
    name, kubectl = place.training["metadata"]["name"], place.words
    print("\nCheckpoints, one a stage:")
    for stage in stages:
        print(f"  {stage.name:<10} loss {stage.losses[0]:.3f} -> {stage.losses[-1]:.3f}  {stage.checkpoint}")
    print(f"\nPicture: {PICTURE}\n{verdict}\n\n{times.table()}")
    look = [
        *([place.setup] if place.setup else []),
        f"{kubectl} get lwmt -o wide",
        f"{kubectl} describe lwmt {name}",
        f"{kubectl} get jobs,pods -o wide -l lwm.dev/training={name}",
        f"{kubectl} logs -l lwm.dev/stage={len(stages)} --prefix --tail=5",
        f"{kubectl} -n lwm-system logs deployment/lwm-operator --tail=20",
    ]
    print("\nLook around (these work as pasted):", *look, sep="\n  ")
    print("\nTake it down:", *place.down, sep="\n  ")
