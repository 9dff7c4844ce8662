from datetime import timedelta
from typing import Any

from lwm_operator.cluster.node_reader import NodeReader
from lwm_operator.cluster.pod_diagnostics import MAX_NODES, MAX_PODS, add_events, explain_pods, find_lost_nodes, infer_lost_nodes
from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.timestamps import stamp
from simulation.builders import NOW, later, pod

BARE = 'Back-off pulling image "lwm-trainer:v9"'


class FakeClient:
    """An API server that knows which nodes are ready, and one Event of every pod; it notes the requests."""

    def __init__(self, *ready: str) -> None:
        self.ready = ready
        self.requests: list[str] = []

    async def get(self, path: str) -> dict[str, Any] | None:
        self.requests.append(path)
        name = path.rsplit("/", 1)[1]
        return {"status": {"conditions": [{"type": "Ready", "status": "True"}]}} if name in self.ready else None

    async def list(self, path: str, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        self.requests.append(fields)
        return [event("FailedMount", "no such server")]


def event(reason: str, note: str, version: int = 1) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "reason": reason, "note": note}


def creating(index: int, seconds: float, reason: str = "ContainerCreating", message: str = "") -> PodView:
    waiting = Waiting(reason=reason, message=message, since=stamp(NOW - timedelta(seconds=seconds)))
    return pod(index, state=PodState.PENDING, waiting=waiting)


async def lost(client: FakeClient, *pods: PodView) -> list[str]:
    return sorted(await find_lost_nodes(NodeReader(client), pods, NOW))  # type: ignore[arg-type]


async def explained_reasons(*pods: PodView, lost: dict[str, Waiting] | None = None) -> tuple[list[str], FakeClient]:
    client = FakeClient()
    explained = await explain_pods(client, "default", pods, lost or {}, NOW)  # type: ignore[arg-type]
    return [each.waiting.reason if each.waiting is not None else "" for each in explained], client


async def test_nodes_are_asked_about_only_where_there_is_doubt() -> None:
    client = FakeClient()
    quiet = (pod(0), pod(1, state=PodState.FAILED, deleting=True), creating(2, seconds=9), pod(3, state=PodState.PENDING, node=None))
    assert await lost(client, *quiet) == []
    assert client.requests == []


async def test_a_node_is_lost_when_its_pod_is_deleted_or_not_ready_or_slow_and_it_is_not_ready() -> None:
    doubtful = (pod(0, deleting=True), pod(1, ready=False), creating(2, seconds=11), pod(3, deleting=True))
    assert await lost(FakeClient("node4"), *doubtful) == ["node1", "node2", "node3"]


def test_without_a_right_on_nodes_a_running_pod_that_was_given_up_tells_of_its_node() -> None:
    quiet = (
        pod(0),
        pod(1, ready=False),
        pod(2, deleting=True),
        creating(3, seconds=600),
        pod(4, state=PodState.FAILED, node_lost_since="t"),
    )
    assert infer_lost_nodes(quiet) == {}
    (lost,) = infer_lost_nodes((*quiet, pod(5, node_lost_since="2026-01-01T11:59:00Z", ready=False))).items()
    assert lost == (
        "node6",
        Waiting(reason="NodeNotReady", message="node node6 is not ready: its pods were marked so", since="2026-01-01T11:59:00Z"),
    )


async def test_many_slow_pods_cost_few_questions_and_no_deleted_one_is_left_out() -> None:
    client = FakeClient()
    slow = [creating(index, seconds=60) for index in range(40)]
    leaving = [pod(index, deleting=True) for index in range(40, 60)]
    await lost(client, *slow, *leaving)
    assert len(client.requests) == MAX_NODES + len(leaving)


async def test_pods_on_a_lost_node_say_so_and_their_events_are_not_asked_for() -> None:
    node_gone = Waiting(reason="NodeNotReady", message="node node2 is gone", since="")
    reasons, client = await explained_reasons(
        pod(0), creating(1, 60), pod(2, node="node2"), pod(3, state=PodState.FAILED, node="node2"), lost={"node2": node_gone}
    )
    assert reasons == ["", "NodeNotReady", "NodeNotReady", ""]
    assert client.requests == []


async def test_a_node_that_is_gone_is_missed_since_the_pod_waits() -> None:
    for when, wanted in (("", stamp(later(-60))), ("t", "t")):
        node = Waiting(reason="NodeNotReady", message="node node2 is gone", since=when)
        (explained,) = await explain_pods(FakeClient(), "default", (creating(1, 60),), {"node2": node}, NOW)  # type: ignore[arg-type]
        assert explained.waiting is not None
        assert explained.waiting.since == wanted


async def test_events_are_asked_for_where_a_pod_is_slow_and_of_three_pods_at_most() -> None:
    reasons, client = await explained_reasons(creating(0, seconds=4), pod(1), *(creating(index, seconds=6) for index in (5, 4, 3, 2)))
    assert client.requests == [f"regarding.uid=bible-s1-a1-{index}" for index in (2, 3, 4)]
    assert len(client.requests) == MAX_PODS
    assert reasons == ["ContainerCreating", "", "ContainerCreating", "FailedMount", "FailedMount", "FailedMount"]


async def test_a_time_that_cannot_be_read_counts_as_long_ago() -> None:
    odd = pod(0, state=PodState.PENDING, waiting=Waiting(reason="ContainerCreating", message="", since=""))
    assert (await explained_reasons(odd))[0] == ["FailedMount"]
    assert (await explained_reasons(creating(0, -(later(5) - NOW).total_seconds())))[0] == ["ContainerCreating"]


def explain(waiting: tuple[str, str], *events: dict[str, Any]) -> tuple[str, str]:
    explained = add_events(Waiting(reason=waiting[0], message=waiting[1], since=""), list(events))
    assert explained is not None
    return explained.reason, explained.message


SETTING_UP = ("ContainerCreating", "")


def test_the_newest_event_counts_and_what_is_over_is_not_told() -> None:
    mount, pulling = event("FailedMount", "refused", 9), event("Pulling", "Pulling image", 10)
    assert explain(SETTING_UP, pulling, mount) == ("Pulling", "Pulling image")
    assert explain(SETTING_UP, event("FailedMount", "refused", 11), pulling) == ("FailedMount", "refused")
    assert explain(SETTING_UP, mount, pulling, event("Pulled", "done", 12)) == SETTING_UP
    assert explain(SETTING_UP, event("Scheduled", "assigned")) == SETTING_UP
    assert explain(SETTING_UP) == SETTING_UP


def test_the_kubelets_summary_of_mounts_does_not_hide_the_sentence_that_says_why() -> None:
    summary = event("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[checkpoint]", 5)
    assert explain(SETTING_UP, event("FailedMount", "Connection refused", 3), summary) == ("FailedMount", "Connection refused")
    assert explain(SETTING_UP, summary) == ("FailedMount", summary["note"])


def test_a_bare_back_off_gets_the_error_and_a_missing_pull_secret_its_name() -> None:
    failed = event("Failed", 'Failed to pull image "lwm-trainer:v9": 401 Unauthorized', 3)
    assert explain(("ImagePullBackOff", BARE), failed, event("Failed", "Error: ErrImagePull", 4)) == ("ImagePullBackOff", failed["note"])
    assert explain(("ImagePullBackOff", BARE)) == ("ImagePullBackOff", BARE)
    whole = f"{BARE}: ErrImagePull: lwm-trainer:v9: not found"
    assert explain(("ImagePullBackOff", whole), failed) == ("ImagePullBackOff", whole)
    secret = event("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (registry)", 5)
    assert explain(("ErrImagePull", "401"), secret) == ("ErrImagePull", "Unable to retrieve some image pull secrets (registry); 401")
