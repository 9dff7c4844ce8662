"""The columns of `kubectl get`, in ready words."""

from lwm_operator.api.status import StageState, StageStatus, Summary
from lwm_operator.plan.observed import Observed, PodState
from lwm_operator.plan.words import count, duration
from lwm_trainer.config import Progress


def summarize(entries: tuple[StageStatus, ...], index: int, hosts: int, observed: Observed) -> Summary:
    """Of the stage at `index` (0-based), the last one when all are complete."""
    entry = entries[index]
    report = observed.reports.get((index + 1, entry.attempts))
    running = sum(1 for pod in observed.pods_of(index + 1, entry.attempts) if pod.state == PodState.RUNNING)
    return Summary(
        stage=f"{index + 1}/{len(entries)} {entry.name}",
        step=f"{entry.step}/{entry.total_steps}",
        loss=entry.loss or "",
        tokens_per_second=count(float(entry.tokens_per_second)) if entry.tokens_per_second else "",
        restarts=sum(stage.restarts for stage in entries),
        hosts=f"{running}/{hosts}",
        checkpoint=str(entry.committed_step) if entry.committed_step else "",
        eta=_eta(entry, report),
    )


def _eta(entry: StageStatus, report: Progress | None) -> str:
    if report is None or not report.step_seconds or entry.state != StageState.RUNNING:
        return ""
    return duration((entry.total_steps - report.step) * report.step_seconds)
