"""Operators at work: a pass over the training, effect by effect. Between any two it may die, pause, or not know what became of one."""

from collections import Counter
from dataclasses import dataclass, field

from lwm_operator.api.training import Training
from lwm_operator.plan.actions import Action, CreateAttempt, CreatePreparation, Plan
from lwm_operator.plan.dataset_preparation import holds_up
from lwm_operator.plan.stage_reconciler import CREATE_FAILED
from simulation.simulation import World
from simulation.state import RefusedError

FORGETFUL = ("forget_status",)


@dataclass(slots=True)
class Pass:
    """One pass of one operator process. `decided` is None before it has looked at the children."""

    training: Training
    decided: Plan | None = None
    done: int = 0
    """How many effects: the status write counts as one, needed or not."""
    fresh: bool = True


@dataclass
class Operators(World):
    """The pretend cluster with its operators: one that works, and passes of older processes that hang in the middle."""

    stale: list[Pass] = field(default_factory=list)
    wakes: Counter[str] = field(default_factory=Counter)
    """Reasons with which the operator waits for the world, and for no time."""

    def begin(self) -> Pass:
        self.decided = self.plan()
        decided = self.decided
        reached = self.reached
        reached[f"phase {decided.status.phase}"] += 1
        reached[f"decision {decided.status.reason}"] += 1
        for event in decided.events:
            assert 0 < len(event.message) <= 1024, f"an Event with the message {event.message!r}"
            reached[f"event {event.reason}"] += 1
        for action in decided.actions:
            reached[f"action {type(action).__name__}"] += 1
        for entry in decided.status.stages:
            reached[f"stage {entry.state}"] += 1
            if entry.recent_attempts:
                reached[f"attempt {entry.recent_attempts[0].state}"] += 1
        assert not self.training.spec.suspend or not any(
            isinstance(action, CreateAttempt | CreatePreparation) for action in decided.actions
        ), "suspended"
        return Pass(training=self.training, decided=decided)

    def go_on(self, at: Pass, effects: int = 1000) -> bool:
        """Carry out so many more effects; False when the pass has ended. A conflict or a refusal ends it."""
        if at.decided is None:
            about, children = at.training, self.observed()
            at.decided = self.planner(about, children, self.now)
        decided = at.decided
        if at.done == 0 and effects > 0:
            if decided.status != at.training.status:
                if at.training.metadata.resource_version != self.training.metadata.resource_version:
                    return False
                self.write(decided.status)
            at.done, effects = 1, effects - 1
        for action in decided.actions[at.done - 1 : at.done - 1 + effects] if at.done else ():
            at.done += 1
            try:
                self.carry_out(action, at.training.spec, fresh=at.fresh)
            except RefusedError as error:
                if holds_up(action, decided.status):
                    self.write(self.training.status.model_copy(update={"reason": CREATE_FAILED, "message": str(error)}))
                return False
        return at.done <= len(decided.actions)

    # Moves.

    def once(self) -> Plan:
        """A whole pass."""
        at = self.begin()
        self.go_on(at)
        assert at.decided is not None
        return at.decided

    def crash(self, effects: int) -> None:
        """The operator dies after so many effects: 0 is before the status was written."""
        self.go_on(self.begin(), effects)

    def lose(self, effects: int, *, happened: bool) -> None:
        """The request after so many effects times out; it was carried out, or not."""
        self.go_on(self.begin(), effects + (1 if happened else 0))

    def pause(self, effects: int) -> None:
        """The process stops in the middle; another one takes over, and this one does the rest when it resumes."""
        at = self.begin()
        if self.go_on(at, effects):
            self._keep(at)

    def read_only(self) -> None:
        """It has read the training, and looks at the children later."""
        self._keep(Pass(training=self.training))

    def _keep(self, at: Pass) -> None:
        at.fresh = False
        self.stale = [*self.stale, at][-3:]

    def resume(self) -> None:
        """The oldest paused pass does the rest."""
        if self.stale:
            self.go_on(self.stale.pop(0))


def names(actions: tuple[Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]
