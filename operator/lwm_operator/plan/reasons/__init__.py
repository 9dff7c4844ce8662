"""Every value of `status.reason` and every reason of an Event. docs/reasons.md and the reasons in the code have no other source."""

import re

from lwm_operator.plan.reasons.events import EventReason
from lwm_operator.plan.reasons.failures import KubernetesReason, TrainerReason
from lwm_operator.plan.reasons.pending import PendingReason
from lwm_operator.plan.reasons.reason import Reason
from lwm_operator.plan.reasons.running import ConditionReason, LifecycleReason, RunningReason

__all__ = [
    "GROUPS",
    "ConditionReason",
    "EventReason",
    "KubernetesReason",
    "LifecycleReason",
    "PendingReason",
    "Reason",
    "RunningReason",
    "TrainerReason",
    "exit_code_reason",
    "find_reason",
]

GROUPS: tuple[type[Reason], ...] = (PendingReason, RunningReason, LifecycleReason, TrainerReason, KubernetesReason, ConditionReason)
"""The groups in the order of the page; the docstring of a class is the heading of its group."""

FAMILIES = ((re.compile(r"ExitCode\d+"), KubernetesReason.EXIT_CODE), (re.compile(r"OutOf[\w-]+"), KubernetesReason.OUT_OF))
"""Reasons with a variable part."""

_BY_WORD: dict[str, Reason] = {str(reason): reason for group in reversed(GROUPS) for reason in group}


def find_reason(word: str) -> Reason | None:
    """The reason with this word, or None when there is none."""
    if (reason := _BY_WORD.get(word)) is not None:
        return reason
    return next((reason for pattern, reason in FAMILIES if pattern.fullmatch(word)), None)


def exit_code_reason(code: int) -> str:
    """The reason for an exit code that is not one of the trainer's, for example `ExitCode3`."""
    return f"{KubernetesReason.EXIT_CODE.removesuffix('N')}{code}"
