"""Which host's log of an attempt tells what happened."""

from collections.abc import Iterator
from dataclasses import dataclass

from lwm_cli.errors import FileError
from lwm_cli.why import last_failure
from lwm_operator.api.training import Training


@dataclass(frozen=True)
class LogOf:
    """A host of an attempt."""

    stage: int
    """Number of the stage, from 1."""
    stage_name: str
    attempt: int
    host: int
    pod: str | None
    """Name of the host's pod, where a root cause names it."""
    reason: str
    """Reason of the root cause; empty where the attempt has none."""


def logs_of(training: Training, attempt: int | None, host: int | None, every: bool) -> Iterator[LogOf]:
    """The hosts whose logs to show: those of root causes, else host 0.

    Args:
        attempt: only this attempt of the newest stage that has begun; None: the newest with a root cause, else the newest.
        host: this host instead of the root cause's.
        every: all attempts that the status has, of all stages, oldest first.

    Raises FileError where there is no such attempt.
    """
    numbers = {stage.name: number for number, stage in enumerate(training.spec.stages, 1)}
    begun = [(entry, each) for entry in training.status.stages for each in sorted(entry.recent_attempts, key=lambda one: one.number)]
    if not begun:
        raise FileError(f"{training.metadata.name}: no attempt has started, so there is no log: {training.status.message}")
    if every:
        wanted = begun
    elif attempt is not None:
        newest = begun[-1][0].name
        wanted = [(entry, each) for entry, each in begun if entry.name == newest and each.number == attempt]
        if not wanted:
            known = ", ".join(str(each.number) for entry, each in begun if entry.name == newest)
            raise FileError(f"--attempt {attempt}: the status of stage {newest} has no such attempt: use one of {known}")
    else:
        wanted = [last_failure(training) or begun[-1]]
    for entry, each in wanted:
        cause = each.root_cause
        at_fault = cause.host if cause is not None and cause.host is not None else 0
        chosen = at_fault if host is None else host
        pod = cause.pod if cause is not None and chosen == cause.host else None
        yield LogOf(numbers[entry.name], entry.name, each.number, chosen, pod, cause.reason if cause is not None else "")
