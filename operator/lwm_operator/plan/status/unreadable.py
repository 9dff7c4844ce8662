"""The status of a training that the operator cannot parse."""

from datetime import datetime

from lwm_operator.api.status import Condition, Phase, Status
from lwm_operator.plan.reasons import LifecycleReason
from lwm_operator.plan.status.conditions import conditions


def unreadable_status(message: str, old: tuple[Condition, ...], generation: int, now: datetime) -> Status:
    """A status in which only the fields that say so are set. All others, such as stages and checkpoints, stay as they are stored."""
    reason = LifecycleReason.UNREADABLE
    shown = conditions(
        old,
        spec_errors=(message,),
        warnings=(),
        phase=Phase.PENDING,
        reason=reason,
        message=message,
        generation=generation,
        now=now,
        refusal=reason,
    )
    return Status(observed_generation=generation, phase=Phase.PENDING, reason=str(reason), message=message[:1024], conditions=shown)
