"""The one decision: from the training as it is written and the children as they are, to what happens next.

Reads as a list: refuse what makes no sense, look at the current attempt, hand over to the next stage when it is complete, start the
next attempt when it failed, sweep what is left over, and say all of it in the status.
"""

from datetime import datetime

from lwm_operator.api.status import Phase, StageState, StageStatus, Status
from lwm_operator.api.training import Training
from lwm_operator.plan.accept import problems
from lwm_operator.plan.conditions import conditions
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.prune import outdated, strays
from lwm_operator.plan.result import Plan
from lwm_operator.plan.stages import ledger
from lwm_operator.plan.story import told
from lwm_operator.plan.summary import summarize
from lwm_operator.plan.turn import Turn, hosts_of, take


def plan(training: Training, observed: Observed, now: datetime) -> Plan:
    """Total and idempotent: the plan of the world in which this plan was carried out has no actions."""
    if training.metadata.deletion_timestamp is not None:
        return Plan(status=training.status, decision="nothing: it is being deleted, its children go with it")
    found = problems(training.spec)
    entries = ledger(training.spec, training.status, observed)
    for index in range(len(entries)):
        if entries[index].state == StageState.COMPLETE:
            continue
        turn = take(training, entries, index, observed, now, refused=found)
        entries = (*entries[:index], turn.entry, *entries[index + 1 :])
        if turn.entry.state != StageState.COMPLETE:
            return _closed(training, entries, index, turn, found, observed, now)
    last = entries[-1]
    where = last.final_checkpoint.path if last.final_checkpoint is not None else ""
    done = Turn(
        entry=last,
        phase=Phase.COMPLETE,
        reason="Complete",
        message=f"{len(entries)} of {len(entries)} stages complete, loss {last.loss or 'not reported'}, checkpoint {where}",
    )
    return _closed(training, entries, len(entries) - 1, done, found, observed, now)


def _closed(
    training: Training,
    entries: tuple[StageStatus, ...],
    index: int,
    turn: Turn,
    found: tuple[str, ...],
    observed: Observed,
    now: datetime,
) -> Plan:
    """The plan with its status written out, and what is left over swept."""
    old, generation = training.status, training.metadata.generation
    begun_stages = [number for number, entry in enumerate(entries, start=1) if entry.state != StageState.PENDING]
    status = Status(
        observed_generation=generation,
        phase=turn.phase,
        reason=turn.reason,
        message=turn.message[:1024],
        current_stage=max(begun_stages, default=None),
        attempt=entries[index].attempts or None,
        summary=summarize(entries, index, hosts_of(training), observed),
        stages=entries,
        conditions=conditions(
            old.conditions,
            problems=found,
            phase=turn.phase,
            reason=turn.reason,
            message=turn.message,
            generation=generation,
            now=now,
        ),
    )
    current = (index + 1, entries[index].attempts)
    return Plan(
        status=status,
        actions=(*turn.actions, *strays(current, observed), *outdated(entries, observed)),
        events=told(training, old, status),
        requeue_after=turn.wait_seconds,
        decision=f"{turn.phase.value}: {turn.reason}: {turn.message}",
    )
