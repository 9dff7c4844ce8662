"""The status of the stages: one entry for each stage of the spec, with its attempts and its progress."""

from lwm_operator.api.attempt_status import Attempt, AttemptState, Placement
from lwm_operator.api.spec import Spec
from lwm_operator.api.stage_status import (
    ACCEPTED_CHANGES,
    RECENT_ATTEMPTS,
    FinalCheckpoint,
    GateState,
    StageState,
    StageStatus,
    SuiteStatus,
)
from lwm_operator.api.status import Status
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.stage_image import recover_image
from lwm_trainer.config import FinalReport, Progress, SuiteScore


def stage_entries(spec: Spec, status: Status, observed: Observed) -> tuple[StageStatus, ...]:
    """One entry for each stage of the spec. An attempt that the status has lost is recovered from the children that are left of it."""
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
        newest = max((attempt for child_stage, attempt in children if child_stage == number), default=0)
        if newest > entry.attempts:
            job = next((job for job in observed.jobs if (job.stage, job.attempt) == (number, newest)), None)
            entry = recover_image(begin_attempt(entry, newest), spec, job)
        entries.append(entry)
    return tuple(entries)


def newest_attempt(entry: StageStatus) -> Attempt | None:
    return entry.recent_attempts[0] if entry.recent_attempts else None


def begin_attempt(
    entry: StageStatus,
    number: int,
    started_at: str | None = None,
    avoided_nodes: tuple[str, ...] = (),
    avoided_node_pools: tuple[str, ...] = (),
    placement: Placement | None = None,
) -> StageStatus:
    """The entry with a new attempt, which is the intent to create its Job. `started_at` is unknown for a recovered attempt."""
    attempt = Attempt(
        number=number,
        state=AttemptState.CREATING,
        started_at=started_at,
        avoided_nodes=avoided_nodes,
        avoided_node_pools=avoided_node_pools,
        placement=placement,
    )
    return entry.model_copy(
        update={
            "state": StageState.RUNNING,
            "attempts": number,
            "restarts": number - 1,
            "started_at": entry.started_at or started_at,
            "recent_attempts": (attempt, *entry.recent_attempts)[:RECENT_ATTEMPTS],
        }
    )


def replace_newest_attempt(entry: StageStatus, attempt: Attempt) -> StageStatus:
    return entry.model_copy(update={"recent_attempts": (attempt, *entry.recent_attempts[1:])})


def apply_report(entry: StageStatus, report: Progress | None) -> StageStatus:
    """The entry and its newest attempt with what process 0 reports. Floats become strings here.

    Once the attempt has trained a step, its report decides which checkpoint is the newest: the storage may have lost what status named.
    """
    newest = newest_attempt(entry)
    if newest is None or report is None or report.attempt != newest.number:
        return entry
    updated = newest.model_copy(
        update={
            "from_step": report.resumed_from,
            "damaged_checkpoint": report.damaged_checkpoint or newest.damaged_checkpoint,
            "step": max(newest.step, report.step),
            "committed_step": max(newest.committed_step, report.committed_step),
        }
    )
    if updated != newest or report.final is not None:  # time alone is no reason to write the status
        updated = updated.model_copy(update={"time_spent": report.time_spent})
    committed = max(report.committed_step, report.resumed_from)
    if report.step <= report.resumed_from:  # it may not have restored yet
        committed = max(committed, entry.committed_step)
    new_changes = tuple(change for change in report.accepted_changes if change not in entry.accepted_changes)
    return entry.model_copy(
        update={
            # An attempt that has not restored yet reports step 0, but committed steps are done.
            "step": max(report.step, committed),
            "committed_step": committed,
            "loss": entry.loss if report.loss is None else f"{report.loss:.4f}",
            "validation_loss": entry.validation_loss if report.validation_loss is None else f"{report.validation_loss:.4f}",
            "gate_suites": _suites(report.suites) or entry.gate_suites,
            "profile": report.profile or entry.profile,
            "tokens_per_second": entry.tokens_per_second if report.tokens_per_second is None else f"{report.tokens_per_second:.0f}",
            "accepted_changes": (*entry.accepted_changes, *new_changes)[-ACCEPTED_CHANGES:],
            "recent_attempts": (updated, *_credit_commit(entry.recent_attempts[1:], report.resumed_from)),
        }
    )


def _credit_commit(earlier: tuple[Attempt, ...], resumed_from: int) -> tuple[Attempt, ...]:
    """Earlier attempts with a commit that none of them reported.

    A host that is killed right after a commit cannot report it. The attempt that resumes from there can, and it counts as progress.
    """
    if not earlier or any(attempt.committed_step >= resumed_from for attempt in earlier):
        return earlier
    index = next((number for number, attempt in enumerate(earlier) if attempt.step > 0), 0)
    credited = earlier[index].model_copy(update={"committed_step": resumed_from, "step": max(earlier[index].step, resumed_from)})
    return (*earlier[:index], credited, *earlier[index + 1 :])


def _suites(scores: tuple[SuiteScore, ...]) -> tuple[SuiteStatus, ...]:
    return tuple(
        SuiteStatus(
            suite=each.suite,
            score=f"{each.score:.4f}",
            interval=f"{each.low:.4f} to {each.high:.4f}",
            questions=each.questions,
            min_score=f"{each.min_score:g}",
        )
        for each in scores
    )


def complete_stage(entry: StageStatus, final: FinalReport, completed_at: str, *, has_gate: bool = False) -> StageStatus:
    return entry.model_copy(
        update={
            "state": StageState.COMPLETE,
            "step": final.step,
            "committed_step": final.step,
            "completed_at": completed_at,
            "gate": GateState.PASSED if has_gate and entry.gate is None else entry.gate,
            "loss": entry.loss if final.loss is None else f"{final.loss:.4f}",
            "validation_loss": entry.validation_loss if final.validation_loss is None else f"{final.validation_loss:.4f}",
            "gate_suites": _suites(final.suites) or entry.gate_suites,
            "final_checkpoint": FinalCheckpoint(
                path=final.checkpoint, step=final.step, state_hash=final.state_hash, record_hash=final.record_hash
            ),
        }
    )
