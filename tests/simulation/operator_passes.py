"""The operator of a simulated cluster: passes over the training, effect by effect. Between any two effects a pass may die or pause."""

from dataclasses import dataclass

from lwm_operator.api.training import Training
from lwm_operator.plan.actions import CreateAttempt, CreatePreparation, Plan
from lwm_operator.plan.dataset_preparation import holds_up
from lwm_operator.plan.plan import plan
from lwm_operator.plan.stage_reconciler import CREATE_FAILED
from simulation.api_server import ApiServer
from simulation.state import ClusterState, RefusedError

MAX_STALE_PASSES = 3


@dataclass(slots=True)
class Pass:
    """One pass of one operator process. `decided` is None before it has observed the children."""

    training: Training
    decided: Plan | None = None
    done: int = 0
    """How many effects: the status write counts as one, needed or not."""
    fresh: bool = True


class OperatorPasses:
    """The operator that works, and passes of older processes that are paused in the middle."""

    def __init__(self, state: ClusterState, api_server: ApiServer) -> None:
        self.state = state
        self.api_server = api_server
        self.stale: list[Pass] = []

    def plan(self) -> Plan:
        return plan(self.state.training, self.state.observed(), self.state.now)

    def reconcile(self) -> Plan:
        """A whole pass."""
        at = self._begin()
        self.advance(at)
        assert at.decided is not None
        return at.decided

    def crash(self, effects: int) -> Plan:
        """The operator dies after so many effects: 0 is before the status is written."""
        at = self._begin()
        self.advance(at, effects)
        assert at.decided is not None
        return at.decided

    def time_out(self, effects: int, *, happened: bool) -> None:
        """The request after so many effects times out; it was carried out, or not."""
        self.crash(effects + (1 if happened else 0))

    def pause(self, effects: int) -> None:
        """The process stops in the middle; another one takes over, and this one does the rest when it resumes."""
        at = self._begin()
        if self.advance(at, effects):
            self._keep(at)

    def pause_before_observing(self) -> None:
        """The process has read the training, and observes the children when it resumes."""
        self._keep(Pass(training=self.state.training))

    def resume_stale(self) -> None:
        """The oldest paused pass does the rest."""
        if self.stale:
            self.advance(self.stale.pop(0))

    def _keep(self, at: Pass) -> None:
        at.fresh = False
        self.stale = [*self.stale, at][-MAX_STALE_PASSES:]

    def _begin(self) -> Pass:
        decided = self.plan()
        self._cover(decided)
        creates = any(isinstance(action, CreateAttempt | CreatePreparation) for action in decided.actions)
        assert not (self.state.training.spec.suspend and creates), "suspended"
        return Pass(training=self.state.training, decided=decided)

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

    def advance(self, at: Pass, effects: int = 1000) -> bool:
        """Carry out so many more effects; False when the pass has ended. A conflict or a refusal ends it."""
        state = self.state
        if at.decided is None:
            at.decided = plan(at.training, state.observed(), state.now)
        decided = at.decided
        if at.done == 0 and effects > 0:
            if decided.status != at.training.status:
                if at.training.metadata.resource_version != state.training.metadata.resource_version:
                    return False
                state.write_status(decided.status)
            at.done, effects = 1, effects - 1
        for action in decided.actions[at.done - 1 : at.done - 1 + effects] if at.done else ():
            at.done += 1
            try:
                self.api_server.carry_out(action, at.training.spec, fresh=at.fresh)
            except RefusedError as error:
                if holds_up(action, decided.status):
                    state.write_status(state.training.status.model_copy(update={"reason": CREATE_FAILED, "message": str(error)}))
                return False
        return at.done <= len(decided.actions)
