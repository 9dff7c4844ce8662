"""The port to a Kubernetes cluster, over its API server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from lwm_operator.api import names
from lwm_operator.api.status import Condition, Status
from lwm_operator.api.training import Metadata, Training, parse_stored_training
from lwm_operator.cluster import paths
from lwm_operator.cluster.apply import carry_out
from lwm_operator.cluster.client import UNREACHABLE, ApiError, Body, Client
from lwm_operator.cluster.events import post_event
from lwm_operator.cluster.port import ConflictError, TrainingKey, UnansweredError, UnreadableTrainingError, no_check
from lwm_operator.cluster.snapshot import observe
from lwm_operator.cluster.status import patch_status, write_status
from lwm_operator.plan.actions import Action, Event
from lwm_operator.plan.observed import Observed

REFUSED = (403, 404)
"""Answers about one namespace: deleted, or without the operator's Role."""


class KubernetesCluster:
    """Implements ClusterPort. ApiError, its own ClusterError, tells the API server's answer."""

    def __init__(
        self,
        client: Client,
        *,
        trainer_image: str,
        fixed_user: bool = True,
        instance: str,
        namespaces: tuple[str, ...] = (),
        read_nodes: bool = True,
        now: Callable[[], datetime] | None = None,
        report_namespace: Callable[[str, ApiError | None], None] = lambda namespace, error: None,  # noqa: ARG005
    ) -> None:
        """`trainer_image` is for trainings that name none; `fixed_user` as in AttemptSpec; `instance` is this process's name in Events.

        Without `namespaces` all are watched. `read_nodes` says whether the account may read nodes.
        `now` defaults to the API server's clock. `report_namespace` is called each time that the trainings of one of `namespaces` are
        listed, with the namespace and None or the refusal.
        """
        self._client = client
        self._trainer_image = trainer_image
        self._fixed_user = fixed_user
        self._instance = instance
        self._namespaces = namespaces
        self._read_nodes = read_nodes
        self._now = now or client.now
        self._report_namespace = report_namespace

    def now(self) -> datetime:
        return self._now()

    async def list_trainings(self) -> list[TrainingKey]:
        """A watched namespace that is refused is left out and reported; the others go on.

        Raises ApiError when every namespace is refused, with code 404 when the CRD is not installed, and when there is no answer.
        """
        if not self._namespaces:
            return [_key(body) for body in await self._client.list(paths.ALL_TRAININGS)]
        keys: list[TrainingKey] = []
        refusals: list[ApiError] = []
        for namespace in self._namespaces:
            try:
                keys += [_key(body) for body in await self._client.list(paths.collection(names.KIND, namespace))]
            except ApiError as error:
                if error.code not in REFUSED:
                    raise
                refusals.append(error)
                self._report_namespace(namespace, error)
            else:
                self._report_namespace(namespace, None)
        if len(refusals) == len(self._namespaces):
            raise refusals[0]
        return keys

    async def read_training(self, key: TrainingKey) -> Training | None:
        body = await self._client.get(paths.item(names.KIND, key.namespace, key.name))
        if body is None:
            return None
        try:
            return parse_stored_training(body)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = f"{field}: {first['msg']}: the CRD and the operator differ in version, upgrade the chart"
            raise UnreadableTrainingError(Metadata.model_validate(body["metadata"]), message, _conditions(body)) from error

    async def observe(self, training: Training) -> Observed:
        observed = await observe(self._client, training, self.now(), read_nodes=self._read_nodes)
        return replace(observed, trainer_image=self._trainer_image)

    async def write_status(self, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
        with _port_errors():
            return await write_status(self._client, training, status, last_check)

    async def patch_status(self, metadata: Metadata, status: Status) -> None:
        with _port_errors():
            await patch_status(self._client, metadata, status)

    async def carry_out(self, training: Training, action: Action) -> None:
        with _port_errors():
            await carry_out(self._client, training, action, self._trainer_image, fixed_user=self._fixed_user)

    async def post_event(self, regarding: Metadata, event: Event) -> None:
        await post_event(self._client, regarding, event, self.now(), self._instance)


def _key(body: Body) -> TrainingKey:
    return TrainingKey(body["metadata"]["namespace"], body["metadata"]["name"])


def _conditions(body: Body) -> tuple[Condition, ...]:
    """The conditions of a status that may be unreadable itself; empty if they are."""
    try:
        return TypeAdapter(tuple[Condition, ...]).validate_python(body["status"]["conditions"])
    except (KeyError, TypeError, ValidationError):
        return ()


@contextmanager
def _port_errors() -> Iterator[None]:
    """Turn the API server's 409, and its silence, into the port's errors."""
    try:
        yield
    except ApiError as error:
        if error.code == 409:
            raise ConflictError(str(error)) from error
        if error.code == UNREACHABLE:
            raise UnansweredError(str(error)) from error
        raise
