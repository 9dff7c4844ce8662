"""Verdicts that rest on what was not heard of an attempt: news may have come since the children were observed."""

from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.api.status import Status
from lwm_operator.plan.attempt.termination import NODE_LOSSES, OPERATOR_DECISIONS

MAX_AGE_SECONDS = 30.0
"""A verdict from an older observation is not carried out. Trainers report every 10 s."""
VERDICTS = OPERATOR_DECISIONS | NODE_LOSSES


def ends_without_news(old: Status, new: Status) -> bool:
    """Whether `new`, other than `old`, says that an attempt ends because of a hang, a silence, a timeout, an edit or a lost node.

    Ends that a pod itself has reported stay true, however late they are written.
    """
    before = {(entry.name, attempt.number): attempt.root_cause for entry in old.stages for attempt in entry.recent_attempts}
    return any(
        attempt.root_cause is not None
        and attempt.root_cause.reason in VERDICTS
        and attempt.root_cause != before.get((entry.name, attempt.number))
        for entry in new.stages
        for attempt in entry.recent_attempts
        if attempt.state in (AttemptState.STOPPING, AttemptState.FAILED)
    )
