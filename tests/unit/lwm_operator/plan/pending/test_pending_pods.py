import pytest

from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.pending.pending_pods import BLOCKED, PROGRESSING, RECHECKED, explain_pending
from lwm_operator.plan.reasons import PendingReason
from simulation.builders import job, pod

SINCE = "2026-01-01T12:00:00Z"
NO_ROOM = "0/2 nodes are available: 2 Insufficient memory."


def held(index: int, reason: str, message: str = "", since: str = SINCE) -> PodView:
    return pod(index, state=PodState.PENDING, waiting=Waiting(reason=reason, message=message, since=since))


def explain(*pods: PodView, hosts: int | None = None, complaint: str = "") -> tuple[str, str]:
    return explain_pending(job(message=complaint, since=SINCE), pods, len(pods) if hosts is None else hosts) or ("", "")


def test_the_message_of_the_scheduler_is_shown_with_count_and_time() -> None:
    earlier = "2026-01-01T11:59:00Z"
    pods = (held(0, "Unschedulable", NO_ROOM), held(1, "Unschedulable", NO_ROOM, earlier), pod(2))
    assert explain(*pods) == ("Unschedulable", f"2 of 3 pods since {earlier}: {NO_ROOM}")


def test_the_most_serious_of_several_causes_is_the_reason_and_three_are_in_the_line() -> None:
    pods = (
        held(0, "ContainerCreating"),
        held(1, "Unschedulable", NO_ROOM),
        held(2, "ContainerCreating"),
        held(3, "ImagePullBackOff", 'Back-off pulling image "lwm-trainer:v9": ErrImagePull: lwm-trainer:v9: not found'),
        held(4, "Pulling", 'Pulling image "lwm-trainer:v9"'),
    )
    assert explain(*pods) == (
        "ImagePull",
        f"1 of 5 pods since {SINCE}: lwm-trainer:v9: not found; Unschedulable: 1 of 5 pods since {SINCE}: {NO_ROOM}; "
        f'Pulling: 1 of 5 pods since {SINCE}: Pulling image "lwm-trainer:v9"; and 1 more',
    )


def test_the_line_stays_below_900_characters_and_keeps_all_three_causes() -> None:
    pods = [held(index, reason, f"{reason} " + "x" * 2000) for index, reason in enumerate(("ErrImagePull", "FailedMount", "Unschedulable"))]
    reason, message = explain(*pods)
    assert reason == "ImagePull"
    assert len(message) <= 900
    assert message.count("…") == 3
    assert "FailedMount: 1 of 3" in message
    assert "Unschedulable: 1 of 3" in message


def test_missing_pods_are_counted_beside_those_that_wait() -> None:
    assert explain(pod(0), hosts=2) == ("PodsMissing", f"1 of 2 pods missing since {SINCE}")
    assert explain_pending(None, (pod(0),), 2) == ("PodsMissing", "1 of 2 pods missing")
    quota = (
        'Error creating: pods "bible-s1-a1-1-vvvgz" is forbidden: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1'
    )
    assert explain(held(0, "Unschedulable", NO_ROOM), hosts=2, complaint=quota) == (
        "QuotaExceeded",
        f"1 of 2 pods missing since {SINCE}: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1; "
        f"Unschedulable: 1 of 2 pods since {SINCE}: {NO_ROOM}",
    )


def test_starting_pods_are_shown_and_running_ones_are_not() -> None:
    assert explain(pod(0), pod(1, state=PodState.PENDING)) == ("ContainerCreating", "1 of 2 pods: the node sets them up")
    assert explain(pod(0, state=PodState.PENDING, node=None)) == ("Scheduling", "1 of 1 pods: no scheduler has looked at them yet")
    assert explain_pending(job(), (pod(0), pod(1)), 2) is None
    assert explain_pending(job(), (pod(0), pod(1, state=PodState.SUCCEEDED)), 2) is None


def test_a_running_pod_on_a_lost_node_is_shown_too() -> None:
    lost = pod(1, waiting=Waiting(reason="NodeNotReady", message="node node2 is not ready: silent", since=SINCE))
    assert explain(pod(0), lost) == ("NodeNotReady", f"1 of 2 pods since {SINCE}: node node2 is not ready: silent")


@pytest.mark.parametrize("reason", list(PendingReason))
def test_each_reason_is_progressing_or_blocked_and_those_without_a_watch_are_rechecked(reason: PendingReason) -> None:
    told_by_the_pod = {
        PendingReason.INVALID_IMAGE,
        PendingReason.IMAGE_PULL,
        PendingReason.MISSING_SECRET,
        PendingReason.MISSING_CONFIG_MAP,
        PendingReason.CONFIG_ERROR,
        PendingReason.CONTAINER_ERROR,
        PendingReason.MISSING_CLAIM,
        PendingReason.CLAIM_UNBOUND,
        PendingReason.UNSCHEDULABLE,
        PendingReason.SCHEDULING_GATED,
    }
    assert (reason in RECHECKED) != (reason in told_by_the_pod)
    assert (reason in BLOCKED) == (reason not in PROGRESSING)
