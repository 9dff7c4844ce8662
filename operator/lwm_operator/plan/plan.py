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
from lwm_operator.plan.failure.retry_budgets import reset_budgets
from lwm_operator.plan.garbage_collection import clean_up_finished, delete_old_attempts, delete_queued_leftovers, delete_stray_pods
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.stage_reconciler import StageDecision, reconcile_stage
from lwm_operator.plan.stage_status import newest_attempt, stage_entries
from lwm_operator.plan.status.conditions import conditions
from lwm_operator.plan.status.events import new_events
from lwm_operator.plan.status.printer_columns import summarize
from lwm_operator.plan.validation.validate import validate
from lwm_operator.plan.validation.warnings import warnings


def plan(training: Training, observed: Observed, now: datetime) -> Plan:
    """Total and idempotent: the plan of the world in which this plan was carried out has no actions."""
    if training.metadata.deletion_timestamp is not None:
        return Plan(status=training.status, decision="nothing: it is being deleted, its children go with it")
    entries = stage_entries(training.spec, training.status, observed)
    if training.spec.resume > training.status.observed_resume:
        entries = tuple(entry if entry.state == StageState.COMPLETE else reset_budgets(entry) for entry in entries)
    ctx = PlanContext(
        training=training,
        entries=entries,
        index=0,
        observed=observed,
        now=now,
        spec_errors=validate(training.spec),
        node_faults=training.status.node_faults,
        datasets=dataset_preparation.observe_datasets(training, observed),
    )
    for index in range(len(entries)):
        if ctx.entries[index].state == StageState.COMPLETE:
            continue
        ctx = replace(ctx, index=index)
        decision = reconcile_stage(ctx)
        ctx = ctx.with_entry(decision.entry)
        if decision.entry.state != StageState.COMPLETE:
            return _assemble(ctx, decision)
    last = ctx.entries[-1]
    where = last.final_checkpoint.path if last.final_checkpoint is not None else ""
    said = f"{len(entries)} of {len(entries)} stages complete, loss {last.loss or 'not reported'}, checkpoint {where}"
    done = StageDecision(entry=last, phase=Phase.COMPLETE, reason="Complete", message=said, node_faults=ctx.node_faults)
    return _assemble(replace(ctx, index=len(entries) - 1), done)


def _assemble(ctx: PlanContext, decision: StageDecision) -> Plan:
    """The plan with its status written out, and what is left over swept."""
    spec, old, generation = ctx.training.spec, ctx.training.status, ctx.training.metadata.generation
    entries, observed = ctx.entries, ctx.observed
    begun_stages = [number for number, entry in enumerate(entries, start=1) if entry.state != StageState.PENDING]
    status = Status(
        observed_generation=generation,
        phase=decision.phase,
        reason=decision.reason,
        message=decision.message[:1024],
        current_stage=max(begun_stages, default=None),
        attempt=ctx.entry.attempts or None,
        observed_resume=max(spec.resume, old.observed_resume),
        node_faults=decision.node_faults,
        summary=summarize(ctx),
        stages=entries,
        datasets=ctx.datasets,
        conditions=conditions(
            old.conditions,
            problems=ctx.spec_errors,
            warnings=warnings(spec),
            phase=decision.phase,
            reason=decision.reason,
            message=decision.message,
            generation=generation,
            now=ctx.now,
        ),
    )
    kept = spec.failure_policy.failed_attempts_history_limit
    clean_up, seconds = clean_up_finished(status.conditions, spec.ttl_seconds_after_finished, observed, ctx.now)
    queued = () if clean_up else delete_queued_leftovers(entries, observed)
    old_jobs = tuple(each for each in delete_old_attempts(entries, kept, observed) if each not in queued)
    data_sets = (
        () if clean_up else tuple(dataset_preparation.preparation_actions(ctx.training, entries, ctx.datasets, observed, decision.phase))
    )
    sweep: tuple[Action, ...] = clean_up or (*delete_stray_pods(ctx.stage_number, newest_attempt(ctx.entry), observed), *old_jobs)
    return Plan(
        status=status,
        actions=(*queued, *decision.actions, *data_sets, *sweep),  # what a queue might admit first, whatever comes of the rest
        events=new_events(ctx.training, old, status),
        requeue_after=min((wait for wait in (decision.wait_seconds, seconds) if wait is not None), default=None),
        decision=f"{decision.phase.value}: {decision.reason}: {decision.message}",
    )
