"""One pass over one training: read, plan, write the status, act, post Events. Nothing is kept from one pass to the next."""

import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from lwm_operator.api.training import Metadata, Training
from lwm_operator.cluster.port import (
    ClusterError,
    ClusterPort,
    StaleObservationError,
    TrainingKey,
    UnansweredError,
    UnreadableTrainingError,
)
from lwm_operator.controller import metrics
from lwm_operator.plan.actions import (
    Action,
    ActionFailure,
    CleanUp,
    CreateAttempt,
    CreatePreparation,
    DeleteAttempt,
    DeletePod,
    DeletePreparation,
    Event,
    Plan,
    RestoreAttempt,
)
from lwm_operator.plan.attempt.missing_news import MAX_AGE_SECONDS
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_operator.plan.reasons import EventReason
from lwm_operator.plan.status.unreadable import unreadable_status

log = structlog.get_logger("lwm_operator")


class Reconciler:
    """Reconciles trainings with a cluster that it knows only through its port."""

    def __init__(self, cluster: ClusterPort, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` returns seconds that only grow."""
        self._cluster = cluster
        self._monotonic = monotonic

    async def reconcile(self, key: TrainingKey) -> float | None:
        """Return the seconds after which to reconcile again, if any. Raises ClusterError: the caller tries again later."""
        try:
            training = await self._cluster.read_training(key)
        except UnreadableTrainingError as error:
            await self._report_unreadable(error)
            return None
        if training is None:
            metrics.remove(*key)
            log.debug("training_gone")
            return None
        decided = await self._observe_and_write(training)
        await self._act(training, decided.actions)
        return decided.requeue_after

    async def _observe_and_write(self, training: Training, failures: tuple[ActionFailure, ...] = ()) -> Plan:
        """Plan, write the status and post the Events: before any action, which may fail and must not swallow what led to it.

        Raises StaleObservationError before anything is written: this process, or the API server, has paused in between.
        """
        started = self._monotonic()
        decided = self._plan(training, replace(await self._cluster.observe(training), failed_actions=failures))

        def check_age() -> None:
            age = self._monotonic() - started
            if decided.ends_without_news and age > MAX_AGE_SECONDS:
                raise StaleObservationError(
                    f"the pods were read {age:.0f} s ago, more than {MAX_AGE_SECONDS:.0f} s: looks again before {decided.decision}"
                )

        wrote_status = await self._cluster.write_status(training, decided.status, check_age)
        self._report(training, decided, wrote_status=wrote_status)
        for event in decided.events if wrote_status else ():
            await self._post_event(training.metadata, event)
        return decided

    def _plan(self, training: Training, observed: Observed) -> Plan:
        return plan(training, observed, self._cluster.now())

    def _report(self, training: Training, decided: Plan, *, wrote_status: bool) -> None:
        """Set the metrics and log what was decided."""
        if wrote_status:
            metrics.STATUS_WRITES.inc()
        metrics.update(training.model_copy(update={"status": decided.status}))
        if wrote_status or decided.actions:
            actions = [describe(action) for action in decided.actions]
            log.info("reconciled", decision=decided.decision, actions=actions, wrote_status=wrote_status)

    async def _act(self, training: Training, actions: tuple[Action, ...]) -> None:
        """Carry out all actions. One that is refused leaves the others their turn; its error is raised at the end.

        Raises UnansweredError at once: others would go unanswered too.
        """
        failures: list[tuple[ActionFailure, ClusterError]] = []
        for action in actions:
            try:
                await self._cluster.carry_out(training, action)
            except UnansweredError:
                raise
            except ClusterError as error:
                failures.append((ActionFailure(action=action, message=f"{describe(action)}: {error}"), error))
        if failures:
            await self._report_failures(training, failures)
            raise failures[0][1]

    async def _report_failures(self, training: Training, failures: list[tuple[ActionFailure, ClusterError]]) -> None:
        """An Event for each action, and the status says why nothing starts. A key without the message: a message may vary for ever."""
        created = tuple(failure for failure, _ in failures if isinstance(failure.action, CreateAttempt | CreatePreparation))
        if created:
            await self._write_failures(training, created)
        reason = EventReason.ACTION_FAILED
        for failure, error in failures:
            key = f"{reason}/{describe(failure.action)}/{error.kind}"
            await self._post_event(training.metadata, Event(reason=str(reason), message=failure.message, key=key, type="Warning"))

    async def _write_failures(self, training: Training, failures: tuple[ActionFailure, ...]) -> None:
        """Plan again with the failed creations, so that the status says why nothing starts. The actions are left to the next pass.

        A failed write is no error: the next pass may succeed.
        """
        key = TrainingKey(training.metadata.namespace, training.metadata.name)
        try:
            if (current := await self._cluster.read_training(key)) is not None:
                await self._observe_and_write(current, failures)
        except ClusterError as error:
            log.warning("status_not_written", error=str(error))

    async def _post_event(self, regarding: Metadata, event: Event) -> None:
        """A missing Event is no reason to stop training."""
        try:
            await self._cluster.post_event(regarding, event)
        except ClusterError as error:
            log.warning("event_not_posted", reason=event.reason, error=str(error))

    async def _report_unreadable(self, error: UnreadableTrainingError) -> None:
        """The CRD admitted what this operator cannot read: the two are of different versions.

        The training is not looked at again before somebody edits it or the operator restarts.
        """
        log.error("training_unreadable", error=str(error))
        metadata = error.metadata
        try:
            await self._cluster.patch_status(
                metadata, unreadable_status(str(error), error.conditions, metadata.generation, self._cluster.now())
            )
        except ClusterError as refusal:
            log.warning("status_not_written", error=str(refusal))
        reason = EventReason.UNREADABLE
        key = f"{reason}/{metadata.generation}"
        await self._post_event(metadata, Event(reason=str(reason), message=str(error), key=key, type="Warning"))


def describe(action: Action) -> str:
    """Return the action in words, for the log and for Events."""
    match action:
        case CreateAttempt():
            return f"create attempt {action.attempt} of stage {action.stage}"
        case RestoreAttempt():
            return f"restore what was deleted of attempt {action.creation.attempt} of stage {action.creation.stage}"
        case CreatePreparation():
            return f"create the preparation of data set {action.number}"
        case DeletePod():
            return f"delete pod {action.name}"
        case DeleteAttempt():
            leftovers = f"what is left of attempt {action.attempt} of stage {action.stage}"
            return f"delete {', '.join(name for name, _ in action.jobs) or leftovers}"
        case DeletePreparation():
            return f"delete {action.name}"
        case CleanUp():
            return "remove all children"
