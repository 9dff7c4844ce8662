"""The one decision: from the training as it is written and the children as they are, to what happens next.

Reads as a list: refuse what makes no sense, look at the current attempt, hand over to the next stage when it is complete, start the
next attempt when it failed, sweep what is left over, and say all of it in the status.
"""

from dataclasses import replace
from datetime import datetime

from lwm_operator.api.status import Phase, StageState, Status
from lwm_operator.api.training import Training
from lwm_operator.plan import dataset_preparation
from lwm_operator.plan.actions import Action, Plan
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.retry_budgets import forgiven
from lwm_operator.plan.garbage_collection import dequeued, expired, outdated, strays
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.stage_reconciler import StageDecision, take
from lwm_operator.plan.stage_status import ledger, newest
from lwm_operator.plan.status.conditions import conditions
from lwm_operator.plan.status.events import told
from lwm_operator.plan.status.printer_columns import summarize
from lwm_operator.plan.validation.validate import problems
from lwm_operator.plan.validation.warnings import warnings


def plan(training: Training, observed: Observed, now: datetime) -> Plan:
    """Total and idempotent: the plan of the world in which this plan was carried out has no actions."""
    if training.metadata.deletion_timestamp is not None:
        return Plan(status=training.status, decision="nothing: it is being deleted, its children go with it")
    entries = ledger(training.spec, training.status, observed)
    if training.spec.resume > training.status.resumed:
        entries = tuple(entry if entry.state == StageState.COMPLETE else forgiven(entry) for entry in entries)
    here = PlanContext(
        training=training,
        entries=entries,
        index=0,
        observed=observed,
        now=now,
        refused=problems(training.spec),
        faults=training.status.node_faults,
        datasets=dataset_preparation.look(training, observed),
    )
    for index in range(len(entries)):
        if here.entries[index].state == StageState.COMPLETE:
            continue
        here = replace(here, index=index)
        turn = take(here)
        here = here.at(turn.entry)
        if turn.entry.state != StageState.COMPLETE:
            return _closed(here, turn)
    last = here.entries[-1]
    where = last.final_checkpoint.path if last.final_checkpoint is not None else ""
    said = f"{len(entries)} of {len(entries)} stages complete, loss {last.loss or 'not reported'}, checkpoint {where}"
    done = StageDecision(entry=last, phase=Phase.COMPLETE, reason="Complete", message=said, faults=here.faults)
    return _closed(replace(here, index=len(entries) - 1), done)


def _closed(here: PlanContext, turn: StageDecision) -> Plan:
    """The plan with its status written out, and what is left over swept."""
    spec, old, generation = here.training.spec, here.training.status, here.training.metadata.generation
    entries, observed = here.entries, here.observed
    begun_stages = [number for number, entry in enumerate(entries, start=1) if entry.state != StageState.PENDING]
    status = Status(
        observed_generation=generation,
        phase=turn.phase,
        reason=turn.reason,
        message=turn.message[:1024],
        current_stage=max(begun_stages, default=None),
        attempt=here.entry.attempts or None,
        resumed=max(spec.resume, old.resumed),
        node_faults=turn.faults,
        summary=summarize(here),
        stages=entries,
        datasets=here.datasets,
        conditions=conditions(
            old.conditions,
            problems=here.refused,
            warnings=warnings(spec),
            phase=turn.phase,
            reason=turn.reason,
            message=turn.message,
            generation=generation,
            now=here.now,
        ),
    )
    kept = spec.failure_policy.failed_attempts_history_limit
    clean_up, seconds = expired(status.conditions, spec.ttl_seconds_after_finished, observed, here.now)
    queued = () if clean_up else dequeued(entries, observed)
    old_jobs = tuple(each for each in outdated(entries, kept, observed) if each not in queued)
    data_sets = () if clean_up else tuple(dataset_preparation.act(here.training, entries, here.datasets, observed, turn.phase))
    sweep: tuple[Action, ...] = clean_up or (*strays(here.number, newest(here.entry), observed), *old_jobs)
    return Plan(
        status=status,
        actions=(*queued, *turn.actions, *data_sets, *sweep),  # what a queue might admit first, whatever comes of the rest
        events=told(here.training, old, status),
        requeue_after=min((wait for wait in (turn.wait_seconds, seconds) if wait is not None), default=None),
        decision=f"{turn.phase.value}: {turn.reason}: {turn.message}",
    )
