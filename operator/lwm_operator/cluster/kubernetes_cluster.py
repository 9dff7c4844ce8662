"""The port to a Kubernetes cluster, over its API server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training, parse_training
from lwm_operator.cluster import paths
from lwm_operator.cluster.apply import carry_out
from lwm_operator.cluster.client import ApiError, Client
from lwm_operator.cluster.events import post_event
from lwm_operator.cluster.port import ConflictError, TrainingKey, UnreadableTrainingError
from lwm_operator.cluster.snapshot import observe
from lwm_operator.cluster.status import write_status
from lwm_operator.plan.actions import Action, Event
from lwm_operator.plan.observed import Observed


class KubernetesCluster:
    """Implements ClusterPort. ApiError, its own ClusterError, tells the API server's answer."""

    def __init__(
        self,
        client: Client,
        *,
        trainer_image: str,
        instance: str,
        namespaces: tuple[str, ...] = (),
        read_nodes: bool = True,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`trainer_image` is for trainings that name none; `instance` is this process's name in Events.

        Without `namespaces` all are watched. `read_nodes` says whether the account may read nodes.
        `now` defaults to the API server's clock.
        """
        self._client = client
        self._trainer_image = trainer_image
        self._instance = instance
        self._namespaces = namespaces
        self._read_nodes = read_nodes
        self._now = now or client.now

    def now(self) -> datetime:
        return self._now()

    async def list_trainings(self) -> list[TrainingKey]:
        """Raises ApiError with code 404 when the CRD is not installed."""
        collections = [paths.collection(names.KIND, namespace) for namespace in self._namespaces]
        trainings = [body for path in collections or [paths.ALL_TRAININGS] for body in await self._client.list(path)]
        return [TrainingKey(body["metadata"]["namespace"], body["metadata"]["name"]) for body in trainings]

    async def read_training(self, key: TrainingKey) -> Training | None:
        body = await self._client.get(paths.item(names.KIND, key.namespace, key.name))
        if body is None:
            return None
        try:
            return parse_training(body, extra="ignore")
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = f"{field}: {first['msg']}: the CRD and the operator differ in version, upgrade the chart"
            raise UnreadableTrainingError(Metadata.model_validate(body["metadata"]), message) from error

    async def observe(self, training: Training) -> Observed:
        observed = await observe(self._client, training, self.now(), read_nodes=self._read_nodes)
        return replace(observed, trainer_image=self._trainer_image)

    async def write_status(self, training: Training, status: Status) -> bool:
        with _conflicts():
            return await write_status(self._client, training, status)

    async def carry_out(self, training: Training, action: Action) -> None:
        with _conflicts():
            await carry_out(self._client, training, action, self._trainer_image)

    async def post_event(self, regarding: Metadata, event: Event) -> None:
        await post_event(self._client, regarding, event, self.now(), self._instance)


@contextmanager
def _conflicts() -> Iterator[None]:
    """Turn the API server's 409 into the port's ConflictError."""
    try:
        yield
    except ApiError as error:
        if error.code == 409:
            raise ConflictError(str(error)) from error
        raise
