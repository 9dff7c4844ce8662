"""The stages in their order: which one is on, what its record says, where the next attempt starts from."""

from lwm_operator.api.spec import Spec
from lwm_operator.api.status import RECENT_ATTEMPTS, Attempt, AttemptState, FinalCheckpoint, StageState, StageStatus, Status
from lwm_operator.plan.observed import Observed
from lwm_trainer.config import FinalReport, Progress, Start


def stage_entries(spec: Spec, status: Status, observed: Observed) -> tuple[StageStatus, ...]:
    """One entry for each stage of the spec. An attempt that status does not know (it was lost) is taken up from what is left of it."""
    children = [
        *((job.stage, job.attempt) for job in observed.jobs),
        *((pod.stage, pod.attempt) for pod in observed.pods),
        *observed.reports,
    ]
    known = {stage.name: stage for stage in status.stages}
    entries: list[StageStatus] = []
    for number, stage in enumerate(spec.stages, start=1):
        entry = known.get(stage.name, StageStatus(name=stage.name))
        entry = entry.model_copy(update={"total_steps": stage.total_steps})
        newest = max((attempt for of, attempt in children if of == number), default=0)
        if newest > entry.attempts:
            entry = begin_attempt(entry, newest)
        entries.append(entry)
    return tuple(entries)


def newest_attempt(entry: StageStatus) -> Attempt | None:
    return entry.recent_attempts[0] if entry.recent_attempts else None


def begin_attempt(entry: StageStatus, number: int, when: str | None = None, avoided: tuple[str, ...] = ()) -> StageStatus:
    """The entry with a new attempt: the intent. `when` is unknown for one that is taken up from its Job."""
    attempt = Attempt(number=number, state=AttemptState.CREATING, started_at=when, avoided_nodes=avoided)
    return entry.model_copy(
        update={
            "state": StageState.RUNNING,
            "attempts": number,
            "restarts": number - 1,
            "started_at": entry.started_at or when,
            "recent_attempts": (attempt, *entry.recent_attempts)[:RECENT_ATTEMPTS],
        }
    )


def replace_newest_attempt(entry: StageStatus, attempt: Attempt) -> StageStatus:
    """The entry with its newest attempt replaced."""
    return entry.model_copy(update={"recent_attempts": (attempt, *entry.recent_attempts[1:])})


def apply_report(entry: StageStatus, attempt: Attempt, report: Progress | None) -> StageStatus:
    """The entry with what process 0 says. Floats become strings here."""
    if report is None or report.attempt != attempt.number:
        return entry
    committed = max(entry.committed_step, report.committed_step, report.resumed_from)
    return entry.model_copy(
        update={
            # An attempt that has not restored yet reports 0, but what is committed is done.
            "step": max(report.step, committed),
            "committed_step": committed,
            "loss": entry.loss if report.loss is None else f"{report.loss:.4f}",
            "tokens_per_second": entry.tokens_per_second if report.tokens_per_second is None else f"{report.tokens_per_second:.0f}",
            "recent_attempts": (entry.recent_attempts[0], *_credit_commit(entry.recent_attempts[1:], report.resumed_from)),
        }
    )


def _credit_commit(earlier: tuple[Attempt, ...], resumed_from: int) -> tuple[Attempt, ...]:
    """A host that is killed right after a commit cannot tell of it; the attempt that resumes from there can, and it counts as progress."""
    if not earlier or any(attempt.committed_step >= resumed_from for attempt in earlier):
        return earlier
    index = next((number for number, attempt in enumerate(earlier) if attempt.step > 0), 0)
    credited = earlier[index].model_copy(update={"committed_step": resumed_from, "step": max(earlier[index].step, resumed_from)})
    return (*earlier[:index], credited, *earlier[index + 1 :])


def complete_stage(entry: StageStatus, final: FinalReport, when: str) -> StageStatus:
    return entry.model_copy(
        update={
            "state": StageState.COMPLETE,
            "step": final.step,
            "committed_step": final.step,
            "completed_at": when,
            "loss": entry.loss if final.loss is None else f"{final.loss:.4f}",
            "final_checkpoint": FinalCheckpoint(
                path=final.checkpoint, step=final.step, state_hash=final.state_hash, record_hash=final.record_hash
            ),
        }
    )


def start_of(entries: tuple[StageStatus, ...], index: int, attempt: int) -> Start:
    """Where attempt `attempt` (1-based) of stage `index` (0-based) takes its parameters from."""
    before = entries[index - 1].final_checkpoint if index else None
    return Start(
        earlier_attempts=tuple(range(attempt - 1, 0, -1)),
        rollbacks=entries[index].rollbacks,
        stage_checkpoint=before.path if before is not None else None,
    )
