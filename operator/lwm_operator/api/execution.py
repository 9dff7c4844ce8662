"""How the pods of an attempt are queued, placed and ended."""

from typing import Annotated

from pydantic import Field

from lwm_operator.api.resource import ClaimName, Resource


class Execution(Resource):
    """How the pods of an attempt are placed and ended."""

    placement_timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = 900
    """An attempt of which some pods have a node and others find none for this long gives its nodes back and tries again later."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=86400)] = 120
    """What a trainer has for saving after SIGTERM: two steps and a commit should fit."""
    queue_name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")] | None = None
    """A LocalQueue of Kueue in the training's namespace: each attempt waits there until it is admitted. Without it, no queue is asked."""
    priority_class_name: ClaimName | None = None
    """A PriorityClass for the pods; Kueue orders its queues by it, too."""
    scheduler_name: ClaimName | None = None
    """The scheduler of the pods. Default: the cluster's own."""
