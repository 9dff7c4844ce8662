"""The failure policy: retry budgets, hang detection, and rollback after a divergence."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.resource import Resource
from lwm_trainer.config import Hang


class Budgets(Resource):
    """Retry budgets: failures of each class that a stage may have between two checkpoints. A new checkpoint resets them."""

    app: Annotated[int, Field(ge=0, le=10_000)] = 3
    """Failures of the program: exceptions, unknown exit codes, out of memory."""
    infra: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Failures of the infrastructure: lost hosts, killed processes, storage and network."""
    hang: Annotated[int, Field(ge=0, le=10_000)] = 5
    """Hangs: no step within the deadline of failurePolicy.hang."""
    disruption: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Disruptions: preemption, eviction, drain, deletion, and attempts that the operator itself starts again. One more pauses the training,
    whatever onExhausted is: checkpoints may be too far apart for the time that the pods get."""


class OnDivergence(Resource):
    """Reaction to a loss or gradient norm that is not finite."""

    action: Literal["Rollback", "Pause", "Fail"] = "Rollback"
    """Rollback: the next attempt resumes from an older checkpoint and skips the batches that led to the divergence. Pause, Fail: the
    training stops in that phase."""
    discard_checkpoints: Annotated[int, Field(ge=0, le=99)] = 1
    """Number of newest checkpoints that a rollback discards. It must be less than checkpoint.maxToKeep."""
    skip_batches: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Batches that a rollback skips in addition to those between the checkpoint and the divergence."""
    max_rollbacks: Annotated[int, Field(ge=0, le=32)] = 3
    """Rollbacks that a stage may have. One more triggers onExhausted."""


class FailurePolicy(Resource):
    """Reaction to failures. Each class of them has a budget. Bad data, checkpoints and configs fail at once."""

    budgets: Budgets = Budgets()
    hang: Hang = Hang()
    on_divergence: OnDivergence = OnDivergence()
    on_exhausted: Literal["Pause", "Fail"] = "Pause"
    """Phase when a budget is exhausted. To resume from either, fix the cause and raise spec.resume."""
    avoid_nodes_after: Annotated[int, Field(ge=0, le=100)] = 2
    """Failures within 24 hours with a node as root cause after which later attempts avoid the node, or, for slices of several TPU hosts,
    its node pool. 0: never. When an attempt finds no other nodes for 30 minutes, the node that failed the longest ago is used again."""
    failed_attempts_history_limit: Annotated[int, Field(ge=0, le=10)] = 2
    """Failed attempts whose Jobs and pods are kept for inspection."""
