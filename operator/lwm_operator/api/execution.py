"""How the pods of an attempt are placed and ended."""

from typing import Annotated

from pydantic import Field

from lwm_operator.api.resource import Resource


class Execution(Resource):
    """How the pods of an attempt are placed and ended."""

    placement_timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = 900
    """An attempt of which some pods have a node and others find none for this long gives its nodes back and tries again later."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=86400)] = 120
    """What a trainer has for saving after SIGTERM: two steps and a commit should fit."""
