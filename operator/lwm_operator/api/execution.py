"""How the pods of an attempt are queued, scheduled and terminated."""

from typing import Annotated

from pydantic import Field

from lwm_operator.api.resource import ClaimName, Resource


class Execution(Resource):
    """How the pods of an attempt are queued, scheduled and terminated."""

    placement_timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = 900
    """Seconds, from its first pod that gets a node, in which an attempt must get nodes for all pods. After that it releases its nodes and
    retries later. An attempt without any node waits without a limit."""
    startup_timeout_seconds: Annotated[int, Field(ge=60, le=604800)] = 10800
    """Seconds, from the moment when all pods have nodes, in which an attempt must report its first step. After that it fails with
    StartupTimeout, class Infra. It covers sandbox, image pull, init containers, rendezvous, data, restore and compile, not the wait in a
    queue or for nodes. The default is longer than the trainer's own deadlines of these phases together."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=86400)] = 120
    """Seconds that a trainer has after SIGTERM to save a checkpoint. Allow for two steps and a save."""
    queue_name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")] | None = None
    """Name of a Kueue LocalQueue in the training's namespace. Each attempt waits there for admission. Default: no queue."""
    priority_class_name: ClaimName | None = None
    """PriorityClass of the pods. Kueue also orders its queues by it. Default: the cluster's default class."""
    scheduler_name: ClaimName | None = None
    """Scheduler of the pods. Default: the cluster's default scheduler."""
