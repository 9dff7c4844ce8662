"""The columns of `kubectl get`, as text."""

from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Summary
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.formatting import count, duration
from lwm_operator.plan.observed import PodState
from lwm_trainer.config import Progress


def summarize(ctx: PlanContext) -> Summary:
    """The columns for the current stage, which is the last one when all are complete."""
    entry, entries = ctx.entry, ctx.entries
    running = sum(1 for pod in ctx.pods if pod.state == PodState.RUNNING)
    return Summary(
        stage=f"{ctx.stage_number}/{len(entries)} {entry.name}",
        step=f"{entry.step}/{entry.total_steps}",
        loss=entry.loss or "",
        tokens_per_second=count(float(entry.tokens_per_second)) if entry.tokens_per_second else "",
        restarts=sum(stage.restarts for stage in entries),
        hosts=f"{running}/{ctx.hosts}",
        checkpoint=str(entry.committed_step) if entry.committed_step else "",
        eta=_eta(entry, ctx.report),
        image=entry.image or "",
    )


def _eta(entry: StageStatus, report: Progress | None) -> str:
    if report is None or not report.step_seconds or entry.state != StageState.RUNNING:
        return ""
    return duration((entry.total_steps - report.step) * report.step_seconds)
