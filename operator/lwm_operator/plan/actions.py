"""What a plan consists of: the status, actions, Events, the time of the next reconcile, and the decision as a sentence."""

from dataclasses import dataclass
from typing import Literal

from lwm_operator.api.status import Status
from lwm_trainer.config import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAttempt:
    """Create the Jobs of an attempt and the objects that they need. Numbers are 1-based, as in names."""

    stage: int
    attempt: int
    start: Start
    template: str
    """A hash of the parts of the spec that the pods are created from."""
    image: str = ""
    """Trainer image; empty: spec.image or the installation's."""
    avoided_nodes: tuple[str, ...] = ()
    avoided_node_pools: tuple[str, ...] = ()
    prepared: tuple[tuple[str, str], ...] = ()
    """Name and folder of each prepared data set of the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreAttempt:
    """Create the objects again that somebody deleted of an attempt that is under way. Its Jobs are left alone."""

    creation: CreateAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePreparation:
    """Create the Job that prepares data set `number` (1-based), and the objects that it needs. `run` is the run's number."""

    number: int
    run: int
    template: str
    """A hash of the parts of the spec that the pods are created from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePreparation:
    """Delete the Job of a preparation with its pods and the objects that it needed. The data that was written stays and is reused."""

    name: str
    uid: str | None
    """Uid of the Job; None when only the objects that it needed are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod:
    """Delete a survivor that cannot continue without its peers, or a pod that shall save and exit."""

    name: str
    uid: str
    grace_seconds: int | None
    """None: the grace period of the pod itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAttempt:
    """Delete an old attempt: its Jobs, as far as they still exist, with their pods, and the objects that they needed."""

    stage: int
    attempt: int
    jobs: tuple[tuple[str, str], ...]
    """Name and uid of each Job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """Delete all children of a finished training. Checkpoints are no children and stay."""

    attempts: tuple[DeleteAttempt, ...]
    preparations: tuple[DeletePreparation, ...] = ()


Action = CreateAttempt | RestoreAttempt | CreatePreparation | DeletePod | DeleteAttempt | DeletePreparation | CleanUp


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFailure:
    """An action that the API server rejected."""

    action: Action
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An Event for `kubectl describe`. Its name is derived from `key`, so that the same Event is never posted twice.

    The name begins with `order`, because `kubectl describe` sorts Events of events.k8s.io/v1 by name.
    """

    reason: str
    message: str
    key: str
    order: str = "s99"
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The decision of one pass. The status is written before the actions are carried out: intent before effect."""

    status: Status
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    """Seconds until the plan would change without any event; None when it would not."""
    ends_without_news: bool = False
    """Whether an attempt ends because of what was not heard of it, so that only a fresh observation counts."""
    decision: str
    """The decision as a sentence for the log."""
