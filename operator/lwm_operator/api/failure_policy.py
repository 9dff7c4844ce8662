"""What is done about failures: how many of each kind, when a step hangs, what follows a divergence."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.resource import Resource
from lwm_trainer.config import Hang


class Budgets(Resource):
    """How many failures of a class a stage may have between two commits: a new commit refills all of them."""

    app: Annotated[int, Field(ge=0, le=10_000)] = 3
    """Exceptions, unknown exit codes, out of memory."""
    infra: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Lost hosts, killed processes, storage and network."""
    hang: Annotated[int, Field(ge=0, le=10_000)] = 5
    """No step within its deadline."""


class OnDivergence(Resource):
    """Loss or gradient norm is not finite."""

    action: Literal["Rollback", "Pause", "Fail"] = "Rollback"
    """Rollback: the next attempt takes an older commit and passes over the batches that led there; Pause and Fail: the training stops."""
    discard_checkpoints: Annotated[int, Field(ge=0, le=99)] = 1
    """How many of the newest commits a rollback distrusts; less than checkpoint.maxToKeep, so that one is left."""
    skip_batches: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Batches that are passed over beyond those between the rollback's commit and the divergence, which always are."""
    max_rollbacks: Annotated[int, Field(ge=0, le=32)] = 3
    """Of a stage; then as onExhausted says."""


class FailurePolicy(Resource):
    """Preemption, eviction, drain and deletion are never charged; bad data, checkpoints and configs fail at once."""

    budgets: Budgets = Budgets()
    hang: Hang = Hang()
    on_divergence: OnDivergence = OnDivergence()
    on_exhausted: Literal["Pause", "Fail"] = "Pause"
    """A training that is paused or failed goes on when spec.resume is raised."""
    avoid_nodes_after: Annotated[int, Field(ge=0, le=100)] = 2
    """A node that was the root cause this often within 24 hours is avoided by later attempts; 0: never."""
    failed_attempts_history_limit: Annotated[int, Field(ge=0, le=10)] = 2
    """Failed attempts whose Jobs and pods stay as evidence."""
