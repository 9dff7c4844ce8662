"""The conditions of an LWMTraining: Accepted, Progressing, Suspended, Stalled, Complete, Failed."""

from datetime import datetime
from typing import Literal

from lwm_operator.api.status import Condition, Phase
from lwm_operator.plan.pending.pending_pods import BLOCKED
from lwm_operator.plan.reasons import ConditionReason, LifecycleReason
from lwm_operator.plan.timestamps import stamp

Truth = Literal["True", "False"]
STALLED = (Phase.PAUSED, Phase.FAILED)
"""Nothing continues until a user acts."""


def conditions(
    old: tuple[Condition, ...],
    *,
    spec_errors: tuple[str, ...],
    warnings: tuple[str, ...],
    phase: Phase,
    reason: str,
    message: str,
    generation: int,
    now: datetime,
    refusal: LifecycleReason = LifecycleReason.INVALID_SPEC,
) -> tuple[Condition, ...]:
    """All six conditions. A transition time changes only together with its status. Warnings appear in the message of Accepted.

    `refusal` is the reason of Accepted when there are `spec_errors`.
    """
    before = {known.type: known for known in old}
    advancing = phase in (Phase.STARTING, Phase.RUNNING, Phase.RECOVERING) and reason not in BLOCKED

    def condition(kind: str, holds: bool, condition_reason: str, condition_message: str) -> Condition:
        truth: Truth = "True" if holds else "False"
        previous = before.get(kind)
        since = previous.last_transition_time if previous is not None and previous.status == truth else stamp(now)
        return Condition(
            type=kind,
            status=truth,
            reason=condition_reason,
            message=condition_message[:2048],
            observed_generation=generation,
            last_transition_time=since,
        )

    def explained_if_true(kind: str, holds: bool, otherwise: ConditionReason) -> Condition:
        return condition(kind, holds, reason if holds else otherwise, message if holds else "")

    accepted_reason = refusal if spec_errors else ConditionReason.SPEC_VALID
    return (
        condition("Accepted", not spec_errors, accepted_reason, "; ".join(spec_errors) or warning_text(warnings)),
        condition("Progressing", advancing, reason, message),
        explained_if_true("Suspended", phase == Phase.SUSPENDED, ConditionReason.NOT_SUSPENDED),
        explained_if_true("Stalled", phase in STALLED or bool(spec_errors), ConditionReason.NOT_STALLED),
        explained_if_true("Complete", phase == Phase.COMPLETE, ConditionReason.NOT_COMPLETE),
        explained_if_true("Failed", phase == Phase.FAILED, ConditionReason.NOT_FAILED),
    )


def warning_text(warnings: tuple[str, ...]) -> str:
    """The message of Accepted for a spec that is run despite warnings; empty without warnings."""
    return f"warning: {'; '.join(warnings)}" if warnings else ""
