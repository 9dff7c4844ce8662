"""One pass over one training: read, plan, write the status, act, tell. Nothing is kept from one pass to the next."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training, read
from lwm_operator.cluster.apply import NameConflictError, carry_out
from lwm_operator.cluster.client import ApiError, Body, Client
from lwm_operator.cluster.events import post
from lwm_operator.cluster.snapshot import observe, read_training
from lwm_operator.cluster.status import write_status
from lwm_operator.controller import metrics
from lwm_operator.plan.actions import Action, CleanUp, CreateAttempt, CreatePreparation, DeleteAttempt, DeletePod, DeletePreparation, Event
from lwm_operator.plan.dataset_preparation import holds_up
from lwm_operator.plan.plan import plan
from lwm_operator.plan.stage_reconciler import CREATE_FAILED

log = structlog.get_logger("lwm_operator")


class TrainingKey(NamedTuple):
    namespace: str
    name: str


class Reconciler:
    """`now` is UTC and aware; `read_nodes`: whether nodes may be asked about."""

    def __init__(self, client: Client, *, trainer_image: str, instance: str, now: Callable[[], datetime], read_nodes: bool = True) -> None:
        self._client = client
        self._image = trainer_image
        self._instance = instance
        self._now = now
        self._read_nodes = read_nodes

    async def reconcile(self, key: TrainingKey) -> float | None:
        """Seconds until it should be looked at again, if any. Raises `ApiError` and `NameConflictError`: the caller tries again later."""
        body = await read_training(self._client, key.namespace, key.name)
        if body is None:
            metrics.forget(*key)
            log.debug("training_gone")
            return None
        try:
            training = read(body)
        except ValidationError as error:
            await self._unreadable(body, error)
            return None
        observed = await observe(self._client, training, self._now(), read_nodes=self._read_nodes)
        decided = plan(training, observed, self._now())
        if written := await write_status(self._client, training, decided.status):
            metrics.STATUS_WRITES.inc()
        metrics.show(training.model_copy(update={"status": decided.status}))
        # The words first: an action that fails must not swallow the sentence about what led to it.
        for event in decided.events if written else ():
            await self._tell(training.metadata, event)
        if written or decided.actions:
            log.info("reconciled", decision=decided.decision, actions=[_name(action) for action in decided.actions], wrote_status=written)
        for action in decided.actions:
            await self._act(training, decided.status, action)
        return decided.requeue_after

    async def _act(self, training: Training, status: Status, action: Action) -> None:
        try:
            await carry_out(self._client, training, action, self._image)
        except (ApiError, NameConflictError) as error:
            said = f"{_name(action)}: {error}"
            if holds_up(action, status):
                await self._refused(training, said)
            await self._tell(training.metadata, Event(reason="ActionFailed", message=said, key=f"ActionFailed/{said}", type="Warning"))
            raise

    async def _refused(self, training: Training, said: str) -> None:
        """Into the status: whoever asks why nothing starts looks there. The Job may still come later, so a failed write is let be."""
        body = await read_training(self._client, training.metadata.namespace, training.metadata.name)
        if body is None:
            return
        there = read(body)
        try:
            await write_status(self._client, there, there.status.model_copy(update={"reason": CREATE_FAILED, "message": said[:1024]}))
        except ApiError as error:
            log.warning("status_not_written", error=str(error))

    async def _tell(self, about: Metadata, event: Event) -> None:
        """A story with a missing sentence is no reason to stop training."""
        try:
            await post(self._client, about, event, self._now(), self._instance)
        except ApiError as error:
            log.warning("event_not_posted", reason=event.reason, error=str(error))

    async def _unreadable(self, body: Body, error: ValidationError) -> None:
        """The CRD admitted what this operator cannot read: the two are of different versions."""
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = f"{where}: {first['msg']}: the CRD and the operator differ in version, upgrade the chart"
        log.error("training_unreadable", error=said)
        about = Metadata.model_validate(body["metadata"])
        await self._tell(about, Event(reason="Unreadable", message=said, key=f"Unreadable/{about.generation}", type="Warning"))


def _name(action: Action) -> str:
    match action:
        case CreateAttempt():
            return f"create attempt {action.attempt} of stage {action.stage}"
        case CreatePreparation():
            return f"create the preparation of data set {action.number}"
        case DeletePod():
            return f"delete pod {action.name}"
        case DeleteAttempt():
            return f"delete {', '.join(name for name, _ in action.jobs)}"
        case DeletePreparation():
            return f"delete {action.name}"
        case CleanUp():
            return "remove all children"
