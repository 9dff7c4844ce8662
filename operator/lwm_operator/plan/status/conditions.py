"""The conditions of an LWMTraining: Accepted, Progressing, Suspended, Stalled, Complete, Failed."""

from datetime import datetime
from typing import Literal

from lwm_operator.api.status import Condition, Phase
from lwm_operator.plan.pending.pending_pods import BLOCKED
from lwm_operator.plan.timestamps import stamp

Truth = Literal["True", "False"]
STALLED = (Phase.PAUSED, Phase.FAILED)
"""Nothing goes on without a human."""


def conditions(
    old: tuple[Condition, ...],
    *,
    problems: tuple[str, ...],
    warnings: tuple[str, ...],
    phase: Phase,
    reason: str,
    message: str,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """All six, each with a transition time that moves only when its status does. Warnings are Accepted's message, not the training's."""
    before = {condition.type: condition for condition in old}
    advancing = phase in (Phase.STARTING, Phase.RUNNING, Phase.RECOVERING) and reason not in BLOCKED
    stalled = phase in STALLED or bool(problems)
    suspended = phase == Phase.SUSPENDED

    def one(kind: str, holds: bool, why: str, said: str) -> Condition:
        status: Truth = "True" if holds else "False"
        known = before.get(kind)
        since = known.last_transition_time if known is not None and known.status == status else stamp(now)
        return Condition(
            type=kind, status=status, reason=why, message=said[:2048], observed_generation=generation, last_transition_time=since
        )

    return (
        one("Accepted", not problems, "Refused" if problems else "SpecMakesSense", "; ".join(problems) or warning_text(warnings)),
        one("Progressing", advancing, reason, message),
        one("Suspended", suspended, reason if suspended else "NotSuspended", message if suspended else ""),
        one("Stalled", stalled, reason if stalled else "NotStalled", message if stalled else ""),
        one(
            "Complete",
            phase == Phase.COMPLETE,
            reason if phase == Phase.COMPLETE else "NotComplete",
            message if phase == Phase.COMPLETE else "",
        ),
        one("Failed", phase == Phase.FAILED, reason if phase == Phase.FAILED else "NotFailed", message if phase == Phase.FAILED else ""),
    )


def warning_text(sentences: tuple[str, ...]) -> str:
    """Of a spec that is run all the same; empty when there is nothing to be said."""
    return f"warning: {'; '.join(sentences)}" if sentences else ""
