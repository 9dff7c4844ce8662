"""Every value that `status.reason` may take: the one source of the table in docs/reasons.md and of the names in the code."""

import re

from lwm_operator.plan.reasons.failures import KubernetesReason, TrainerReason
from lwm_operator.plan.reasons.pending import PendingReason
from lwm_operator.plan.reasons.reason import Reason
from lwm_operator.plan.reasons.running import LifecycleReason, RunningReason

__all__ = ["GROUPS", "KubernetesReason", "LifecycleReason", "PendingReason", "Reason", "RunningReason", "TrainerReason", "find_reason"]

GROUPS: tuple[type[Reason], ...] = (PendingReason, RunningReason, LifecycleReason, TrainerReason, KubernetesReason)
"""In the order of the page; a class's docstring is its heading."""

FAMILIES = ((re.compile(r"ExitCode\d+"), KubernetesReason.EXIT_CODE), (re.compile(r"OutOf\w+"), KubernetesReason.OUT_OF))
"""Reasons with a part that varies."""

_KNOWN: dict[str, Reason] = {str(reason): reason for group in reversed(GROUPS) for reason in group}


def find_reason(word: str) -> Reason | None:
    """The reason with this word; of a word in two groups, the first group's. None: the table lacks it."""
    if (known := _KNOWN.get(word)) is not None:
        return known
    return next((reason for pattern, reason in FAMILIES if pattern.fullmatch(word)), None)
