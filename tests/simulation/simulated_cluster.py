"""The port through which one pass of the operator sees the simulated cluster. It stops the pass before each request."""

from collections.abc import Callable, Generator
from datetime import datetime
from types import coroutine
from typing import Literal

from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training
from lwm_operator.cluster.port import ConflictError, TrainingKey, UnansweredError, no_check
from lwm_operator.plan.actions import Action, Event
from lwm_operator.plan.observed import Observed
from simulation.api_server import ApiServer
from simulation.state import ClusterState


@coroutine
def stop() -> Generator[None, None, None]:
    """Give control back to `Pass.step`."""
    yield


class SimulatedCluster:
    """Implements ClusterPort for one pass, which stops before it observes and before each of its effects.

    The status write is an effect, needed or not; so is each action. Events are none.
    """

    def __init__(self, state: ClusterState, api_server: ApiServer) -> None:
        self.state = state
        self.api_server = api_server
        self.fresh = True
        """Nothing has happened since the pass observed the children."""
        self.observed_at = state.clock
        """When the pass observed the children."""
        self.loss: Literal["request", "answer"] | None = None
        """What of the next effect gets lost; without its answer the pass does not know that it happened."""

    def now(self) -> datetime:
        return self.state.now

    async def list_trainings(self) -> list[TrainingKey]:
        return [key_of(self.state.training)]

    async def read_training(self, key: TrainingKey) -> Training | None:
        return self.state.training if key == key_of(self.state.training) else None

    async def observe(self, training: Training) -> Observed:
        await stop()
        self.observed_at = self.state.clock
        return self.state.observed()

    async def write_status(self, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
        await stop()
        if status == training.status:
            return False
        last_check()
        if training.metadata.resource_version != self.state.training.metadata.resource_version:
            raise ConflictError("the training has been written since it was read")
        self._lose("request")
        self.state.write_status(status, self.state.clock - self.observed_at)
        self._lose("answer")
        return True

    async def patch_status(self, metadata: Metadata, status: Status) -> None:
        raise AssertionError("only for a training that cannot be parsed, and the simulation stores none")

    async def carry_out(self, training: Training, action: Action) -> None:
        await stop()
        self._lose("request")
        self.api_server.carry_out(action, training.spec, fresh=self.fresh)
        self._lose("answer")

    async def post_event(self, regarding: Metadata, event: Event) -> None:
        assert 0 < len(event.message) <= 1024, f"an Event with the message {event.message!r}"

    def _lose(self, part: Literal["request", "answer"]) -> None:
        if self.loss == part:
            self.loss = None
            raise UnansweredError("the API server did not answer in time")


def key_of(training: Training) -> TrainingKey:
    return TrainingKey(training.metadata.namespace, training.metadata.name)
