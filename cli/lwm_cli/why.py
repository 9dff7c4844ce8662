"""Why a training is where it is, on one screen: the reason in words, the root cause, what was charged, and what to do."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from lwm_operator.api.attempt_status import Attempt
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.training import Training
from lwm_operator.plan.reasons import find_reason


def explanation(training: Training, target: str) -> Table:
    """Two columns: what, and its sentence. `target` is how the user named the training."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, sentence in _rows(training, target):
        table.add_row(name, Text(sentence))
    return table


def _rows(training: Training, target: str) -> Iterator[tuple[str, str]]:
    status = training.status
    yield "phase", status.phase.value + (f", {status.reason}" if status.reason else "")
    if status.message:
        yield "message", status.message
    reason = find_reason(status.reason)
    if reason is not None:
        yield "meaning", reason.meaning
    failed = last_failure(training)
    if failed is not None:
        entry, attempt = failed
        yield from _cause(entry, attempt, status.reason)
        charged = {name: used for name, used in entry.budgets_used.model_dump().items() if name != "committed_step" and used}
        if charged:
            yield "charged", ", ".join(f"{name} {used}" for name, used in charged.items()) + " since the newest checkpoint"
    if reason is not None:
        yield "what to do", reason.fix
    yield "next", f"lwm logs {target}: the log of that host; lwm events {target}; docs/reasons.md"


def _cause(entry: StageStatus, attempt: Attempt, shown: str) -> Iterator[tuple[str, str]]:
    cause = attempt.root_cause
    assert cause is not None  # noqa: S101 - `last_failure` has one
    where = [f"host {cause.host}" if cause.host is not None else "", f"pod {cause.pod}" if cause.pod else ""]
    where += [f"node {cause.node}" if cause.node else "", f"exit code {cause.exit_code}" if cause.exit_code is not None else ""]
    yield "root cause", f"stage {entry.name}, attempt {attempt.number}: {cause.failure_class.value}, {cause.reason}"
    yield "where", ", ".join(filter(None, where)) or "no host is known"
    if cause.message:
        yield "it said", cause.message
    reason = find_reason(cause.reason)
    if reason is not None and cause.reason != shown:
        yield cause.reason, f"{reason.meaning} {reason.fix}"
    yield "steps", f"from {attempt.from_step} to {attempt.step}; the newest checkpoint of the stage is {entry.committed_step or 'none'}"


def last_failure(training: Training) -> tuple[StageStatus, Attempt] | None:
    """The newest attempt of the newest stage that has a root cause; None where none has."""
    for entry in reversed(training.status.stages):
        for attempt in entry.recent_attempts:
            if attempt.root_cause is not None:
                return entry, attempt
    return None
