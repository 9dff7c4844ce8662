"""The operator of a simulated cluster: its real reconciler, stopped before each request. Between any two it may die or pause."""

from collections.abc import Generator
from datetime import datetime
from types import coroutine
from typing import Literal

from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training
from lwm_operator.cluster.port import ClusterError, ConflictError, TrainingKey
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.plan.actions import Action, CreateAttempt, CreatePreparation, Event, Plan
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from simulation.api_server import ApiServer
from simulation.state import ClusterState

MAX_STALE_PASSES = 3
ALL_EFFECTS = 1000


class UnansweredError(ClusterError):
    """A request got no answer; it may have been carried out."""


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
        return self.state.observed()

    async def write_status(self, training: Training, status: Status) -> bool:
        await stop()
        if status == training.status:
            return False
        if training.metadata.resource_version != self.state.training.metadata.resource_version:
            raise ConflictError("the training has been written since it was read")
        self._lose("request")
        self.state.write_status(status)
        self._lose("answer")
        return True

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


class RecordingReconciler(Reconciler):
    """The operator's reconciler, which remembers its plan and neither logs nor counts."""

    decided: Plan | None = None

    def _plan(self, training: Training, observed: Observed) -> Plan:
        self.decided = super()._plan(training, observed)
        return self.decided

    def _report(self, training: Training, decided: Plan, *, wrote_status: bool) -> None:
        return


class Pass:
    """One pass of one operator process, which has read the training and not yet observed its children."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster
        self.reconciler = RecordingReconciler(cluster)
        self._running = self.reconciler.reconcile(key_of(cluster.state.training))
        self.step()

    def step(self) -> bool:
        """Run up to the next request; False when the pass has ended. A conflict or a refusal ends it."""
        try:
            self._running.send(None)
        except (StopIteration, ClusterError):
            return False
        return True

    def advance(self, effects: int = ALL_EFFECTS) -> bool:
        """Carry out so many effects more; False when the pass has ended."""
        return all(self.step() for _ in range(effects))

    def die(self) -> None:
        self._running.close()

    @property
    def decided(self) -> Plan:
        assert self.reconciler.decided is not None, "it has not observed the children yet"
        return self.reconciler.decided


class OperatorPasses:
    """The operator that works, and passes of older processes that are paused in the middle."""

    def __init__(self, state: ClusterState, api_server: ApiServer) -> None:
        self.state = state
        self.api_server = api_server
        self.stale: list[Pass] = []

    def plan(self) -> Plan:
        """Return what a pass would decide now."""
        return plan(self.state.training, self.state.observed(), self.state.now)

    def reconcile(self) -> Plan:
        """A whole pass."""
        current = self._begin()
        current.advance()
        return current.decided

    def crash(self, effects: int) -> Plan:
        """The operator dies after so many effects: 0 is before the status is written."""
        current = self._begin()
        current.advance(effects)
        current.die()
        return current.decided

    def time_out(self, effects: int, *, happened: bool) -> None:
        """The request after so many effects times out; it was carried out, or not."""
        current = self._begin()
        if current.advance(effects):
            current.cluster.loss = "answer" if happened else "request"
            current.advance()

    def pause(self, effects: int) -> None:
        """The process stops in the middle; another one takes over, and this one does the rest when it resumes."""
        current = self._begin()
        if current.advance(effects):
            self._keep(current)

    def pause_before_observing(self) -> None:
        """The process has read the training, and observes the children when it resumes."""
        self._keep(Pass(SimulatedCluster(self.state, self.api_server)))

    def resume_stale(self) -> None:
        """The oldest paused pass does the rest."""
        if self.stale:
            self.stale.pop(0).advance()

    def kill_stale(self) -> None:
        """All paused processes die."""
        while self.stale:
            self.stale.pop().die()

    def _keep(self, paused: Pass) -> None:
        paused.cluster.fresh = False
        self.stale.append(paused)
        if len(self.stale) > MAX_STALE_PASSES:
            self.stale.pop(0).die()

    def _begin(self) -> Pass:
        """A pass that has planned and done nothing yet."""
        current = Pass(SimulatedCluster(self.state, self.api_server))
        current.step()
        decided = current.decided
        self._cover(decided)
        creates = any(isinstance(action, CreateAttempt | CreatePreparation) for action in decided.actions)
        assert not (self.state.training.spec.suspend and creates), "suspended"
        return current

    def _cover(self, decided: Plan) -> None:
        coverage = self.state.coverage
        coverage[f"phase {decided.status.phase}"] += 1
        coverage[f"decision {decided.status.reason}"] += 1
        for event in decided.events:
            assert 0 < len(event.message) <= 1024, f"an Event with the message {event.message!r}"
            coverage[f"event {event.reason}"] += 1
        for action in decided.actions:
            coverage[f"action {type(action).__name__}"] += 1
        for entry in decided.status.stages:
            coverage[f"stage {entry.state}"] += 1
            if entry.recent_attempts:
                coverage[f"attempt {entry.recent_attempts[0].state}"] += 1


def key_of(training: Training) -> TrainingKey:
    return TrainingKey(training.metadata.namespace, training.metadata.name)
