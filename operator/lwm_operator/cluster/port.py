"""The port to a cluster: all that the reconciler asks of one, and how a cluster refuses it.

Kubernetes is one implementation (`kubernetes_cluster`), the simulation of the tests is another.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from lwm_operator.api.status import Condition, Status
from lwm_operator.api.training import Metadata, Training
from lwm_operator.plan.actions import Action, Event
from lwm_operator.plan.observed import Observed


class TrainingKey(NamedTuple):
    """Names a training; the queue holds keys, never objects."""

    namespace: str
    name: str


class ClusterError(Exception):
    """The cluster did not do what it was asked, or did not answer; a later pass tries again."""

    @property
    def kind(self) -> str:
        """What went wrong, in words that stay the same from one try to the next."""
        return type(self).__name__


class UnansweredError(ClusterError):
    """The cluster did not answer. It may have done what it was asked, and further requests would go unanswered too."""


class ConflictError(ClusterError):
    """The training has been written since it was read, so that the plan is out of date."""


class StaleObservationError(ClusterError):
    """The children were observed too long ago for what the plan decides."""


class NameConflictError(ClusterError):
    """An object that is not the training's has a name that the training needs."""


class NotRestoredError(ClusterError):
    """An object that somebody deleted of an attempt under way cannot be created as it was."""


class UnreadableTrainingError(ClusterError):
    """The cluster stores a training that this version of the operator cannot parse."""

    def __init__(self, metadata: Metadata, message: str, conditions: tuple[Condition, ...] = ()) -> None:
        """`conditions` are those of the stored status, as far as they can be read."""
        super().__init__(message)
        self.metadata = metadata
        self.conditions = conditions


def no_check() -> None:
    """Whatever was observed is fresh enough."""


class ClusterPort(Protocol):
    """Every method raises ClusterError when the cluster refuses or does not answer."""

    def now(self) -> datetime:
        """Return the time (aware, UTC) by the clock that stamps the cluster's objects."""

    async def list_trainings(self) -> list[TrainingKey]:
        """Return the keys of all trainings that this operator watches."""

    async def read_training(self, key: TrainingKey) -> Training | None:
        """Return the training as it is stored, or None when it is gone. Raises UnreadableTrainingError."""

    async def observe(self, training: Training) -> Observed:
        """Return the children that this very training owns, by its uid."""

    async def write_status(self, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
        """Replace the status of the training as it was read; return False when it is the same already. Raises ConflictError.

        `last_check` is called right before the request is sent; what it raises ends the write.
        """

    async def patch_status(self, metadata: Metadata, status: Status) -> None:
        """Write the fields that are set in `status`, and leave all others as they are stored. Raises ConflictError."""

    async def carry_out(self, training: Training, action: Action) -> None:
        """Carry out one action of a plan; an action that was carried out before changes nothing. Raises NameConflictError."""

    async def post_event(self, regarding: Metadata, event: Event) -> None:
        """Post an Event about the training; one with the same key is counted again."""
