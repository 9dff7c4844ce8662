"""The operator of a simulated cluster: its real reconciler, effect by effect. Between any two effects it may die or pause."""

from datetime import datetime

from lwm_operator.api.attempt_status import Attempt
from lwm_operator.api.stage_status import ImageSource, StageState
from lwm_operator.api.training import Training
from lwm_operator.cluster.port import ClusterError
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.plan.actions import CreateAttempt, CreatePreparation, DeleteAttempt, Plan
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_operator.plan.timestamps import seconds_since
from simulation.api_server import ApiServer
from simulation.simulated_cluster import SimulatedCluster, key_of
from simulation.state import GOOD_IMAGE, ClusterState

LATE_SECONDS = 3600.0
MAX_STALE_PASSES = 3
ALL_EFFECTS = 1000


def is_partly_placed_late(attempt: Attempt, now: datetime) -> bool:
    """Whether the gang has some of its nodes now, after it had none for longer than every timeout."""
    placement = attempt.placement
    if placement is None or placement.partial_since is None:
        return False
    return seconds_since(placement.unplaced_since, now) - seconds_since(placement.partial_since, now) > LATE_SECONDS


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
        self.reconciler = RecordingReconciler(cluster, lambda: cluster.state.clock.timestamp())
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
        """A whole pass. What it writes into the status wakes nobody, so that the status alone must lead to nothing new."""
        current = self._begin()
        current.advance()
        if current.decided.actions or self.state.training.status != current.decided.status:
            return current.decided
        again = self.plan()
        assert not again.actions, f"the status that was written leads to {again.actions}, and nobody looks at it"
        assert again.status == self.state.training.status, f"the status that was written leads to another: {again.decision}"
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

    def upgrade(self) -> None:
        """The operator's installation is upgraded, and with it the trainer image for stages that begin later."""
        version = int(self.state.trainer_image.rpartition("good")[2] or 0) + 1
        self.state.trainer_image = f"{GOOD_IMAGE}{version}"
        entries = self.state.training.status.stages
        if any(entry.state == StageState.RUNNING and entry.image_source == ImageSource.INSTALLATION for entry in entries):
            self.state.coverage["upgrade in the middle of a stage"] += 1

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
            if isinstance(action, DeleteAttempt) and not action.jobs:
                coverage["leftovers of a deleted Job"] += 1
        for entry in decided.status.stages:
            if entry.recent_attempts and is_partly_placed_late(entry.recent_attempts[0], self.state.now):
                coverage["situation NodesOneByOne"] += 1
            coverage[f"stage {entry.state}"] += 1
            if entry.recent_attempts:
                coverage[f"attempt {entry.recent_attempts[0].state}"] += 1
