"""The decision of the operator: from the training as it is written and its children as they are, to what happens next.

It reads as a list: refuse an invalid spec, observe the current attempt, hand over to the next stage when it is complete, start the next
attempt when it failed, delete what is left over, and write all of it into the status.
"""

from dataclasses import replace
from datetime import datetime

from lwm_operator.api.stage_status import StageState
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training
from lwm_operator.plan import dataset_preparation
from lwm_operator.plan.actions import Action, CreateAttempt, CreatePreparation, Plan
from lwm_operator.plan.attempt.missing_news import ends_without_news
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.retry_budgets import reset_budgets
from lwm_operator.plan.garbage_collection import clean_up_finished, delete_old_attempts, delete_queued_leftovers, delete_stray_pods
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.reasons import RunningReason
from lwm_operator.plan.stage_reconciler import StageDecision, reconcile_stage, restore_attempt
from lwm_operator.plan.stage_status import newest_attempt, stage_entries
from lwm_operator.plan.status.conditions import conditions
from lwm_operator.plan.status.events import new_events
from lwm_operator.plan.status.printer_columns import summarize
from lwm_operator.plan.validation.lost_field_errors import lost_field_errors
from lwm_operator.plan.validation.validate import validate
from lwm_operator.plan.validation.warnings import warnings


def plan(training: Training, observed: Observed, now: datetime) -> Plan:
    """The next status, actions and Events. Total and idempotent: once a plan is carried out, the next plan has no actions."""
    if training.metadata.deletion_timestamp is not None:
        return Plan(status=training.status, decision="nothing: the training is being deleted, and its children with it")
    entries = stage_entries(training.spec, training.status, observed)
    if training.spec.resume > training.status.observed_resume:
        entries = tuple(entry if entry.state == StageState.COMPLETE else reset_budgets(entry) for entry in entries)
    ctx = PlanContext(
        training=training,
        entries=entries,
        index=0,
        observed=observed,
        now=now,
        spec_errors=(*lost_field_errors(training.lost_fields), *validate(training.spec)),
        node_faults=training.status.node_faults,
        datasets=dataset_preparation.observe_datasets(training, observed),
    )
    for index in range(len(entries)):
        if ctx.entries[index].state == StageState.COMPLETE:
            continue
        ctx = replace(ctx, index=index)
        decision = reconcile_stage(ctx)
        ctx = replace(ctx.with_entry(decision.entry), datasets=decision.datasets)
        if decision.entry.state != StageState.COMPLETE:
            return _assemble(ctx, decision)
    return _assemble(replace(ctx, index=len(entries) - 1), _complete(ctx))


def _complete(ctx: PlanContext) -> StageDecision:
    """The decision once all stages are complete."""
    last, stages = ctx.entries[-1], len(ctx.entries)
    checkpoint = last.final_checkpoint.path if last.final_checkpoint is not None else ""
    message = f"{stages} of {stages} stages complete, loss {last.loss or 'not reported'}, checkpoint {checkpoint}"
    return StageDecision(
        entry=last, phase=Phase.COMPLETE, reason=RunningReason.COMPLETE, message=message, node_faults=ctx.node_faults, datasets=ctx.datasets
    )


def _assemble(ctx: PlanContext, decision: StageDecision) -> Plan:
    """The plan: the status in full, the actions of the stage, and the deletion of what is left over."""
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
        run_root=ctx.training.run_root,
        observed_resume=max(spec.resume, old.observed_resume),
        node_faults=decision.node_faults,
        summary=summarize(ctx),
        stages=entries,
        datasets=ctx.datasets,
        conditions=conditions(
            old.conditions,
            spec_errors=ctx.spec_errors,
            warnings=warnings(spec),
            phase=decision.phase,
            reason=decision.reason,
            message=decision.message,
            generation=generation,
            now=ctx.now,
        ),
    )
    clean_up, seconds = clean_up_finished(status.conditions, spec.ttl_seconds_after_finished, observed, ctx.now)
    return Plan(
        status=status,
        actions=_actions(ctx, decision, clean_up),
        events=new_events(ctx.training, old, status),
        ends_without_news=ends_without_news(old, status),
        requeue_after=min((wait for wait in (decision.wait_seconds, seconds) if wait is not None), default=None),
        decision=f"{decision.phase.value}: {decision.reason}: {decision.message}",
    )


def _actions(ctx: PlanContext, decision: StageDecision, clean_up: tuple[Action, ...]) -> tuple[Action, ...]:
    """All actions, deletions first: what is created may need the room (a quota, a node) that they free."""
    spec, entries, observed = ctx.training.spec, ctx.entries, ctx.observed
    if clean_up:
        actions = [*decision.actions, *clean_up]
    else:
        preparations = dataset_preparation.preparation_actions(ctx.training, entries, ctx.datasets, observed, decision.phase)
        queued = delete_queued_leftovers(entries, observed)
        old_attempts = delete_old_attempts(entries, spec.failure_policy.failed_attempts_history_limit, observed)
        actions = [
            *queued,
            *delete_stray_pods(ctx.stage_number, newest_attempt(ctx.entry), observed),
            *(action for action in old_attempts if action not in queued),
            *restore_attempt(ctx),
            *decision.actions,
            *(action for action in preparations if not (ctx.spec_errors and isinstance(action, CreatePreparation))),
        ]
    return tuple(sorted(actions, key=lambda action: isinstance(action, CreateAttempt | CreatePreparation)))
