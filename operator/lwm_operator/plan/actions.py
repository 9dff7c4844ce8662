"""What a plan consists of: actions, the status, Events, when to look again, and the decision in words."""

from dataclasses import dataclass
from typing import Literal

from lwm_operator.api.status import Status
from lwm_trainer.config import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAttempt:
    """Create the Job of an attempt and what it needs. Numbers are 1-based, as in names."""

    stage: int
    attempt: int
    start: Start
    template: str
    """A hash of the parts of the spec that its pods carry."""
    avoided_nodes: tuple[str, ...] = ()
    prepared: tuple[tuple[str, str], ...] = ()
    """Name and place of each prepared data set of the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePreparation:
    """Create the Job that prepares data set `number` (1-based) and what it needs; `run`: the value of spec.resume."""

    number: int
    run: int
    template: str
    """A hash of the parts of the spec that its pods carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePreparation:
    """Remove the Job of a preparation with its pods, and what was made for it. What was written stays, and shortens the next one."""

    name: str
    uid: str
    """Of the Job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod:
    """End a survivor that cannot get on without its peers, or tell a pod to save and leave."""

    name: str
    uid: str
    grace_seconds: int | None
    """None: what the pod itself allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAttempt:
    """Remove an old attempt: its Jobs with their pods, and what was made for it."""

    stage: int
    attempt: int
    jobs: tuple[tuple[str, str], ...]
    """Name and uid of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """Remove all children of a finished training; checkpoints are none."""

    attempts: tuple[DeleteAttempt, ...]
    preparations: tuple[DeletePreparation, ...] = ()


Action = CreateAttempt | CreatePreparation | DeletePod | DeleteAttempt | DeletePreparation | CleanUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """For `kubectl describe`. `key` makes its name deterministic, so that the same one is never posted twice.

    `order` begins the name: `kubectl describe` shows Events by name, because their new kind has no time that it sorts by.
    """

    reason: str
    message: str
    key: str
    order: str = "s99"
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The status is written before the actions are done: intent before effect."""

    status: Status
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    """Seconds until the plan would say something else without any event."""
    decision: str
    """The sentence that the log shows."""
