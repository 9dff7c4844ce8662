"""What Kueue says of a Job in the conditions of its Workload."""

from typing import Any

import pytest

from lwm_operator.cluster import kueue
from lwm_operator.cluster.client import ApiError
from lwm_operator.cluster.parse import parse_job
from lwm_operator.plan.observed import Waiting

JOB: dict[str, Any] = {
    "metadata": {"name": "j", "namespace": "default", "uid": "u", "labels": {"kueue.x-k8s.io/queue-name": "team"}},
    "spec": {"suspend": True},
}


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T12:00:00Z"}


def workload(*conditions: dict[str, str], version: int = 1, **status: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "status": {"conditions": list(conditions), **status}}


class FakeClient:
    """An API server with these Workloads, or without Kueue, or one that refuses."""

    def __init__(self, *workloads: dict[str, Any], installed: bool = True, refuses: int = 0, unreachable: bool = False) -> None:
        self.workloads, self.installed, self.refuses, self.unreachable = list(workloads), installed, refuses, unreachable
        self.requests: list[tuple[str, str]] = []

    async def get(self, path: str) -> dict[str, Any] | None:
        self.requests.append((path, ""))
        if self.unreachable:
            raise ApiError("GET", path, 0, "Unreachable", "")
        return {"preferredVersion": {"version": "v1beta2"}} if self.installed else None

    async def list(self, path: str, labels: str = "") -> list[dict[str, Any]]:
        self.requests.append((path, labels))
        if self.refuses:
            raise ApiError("GET", path, self.refuses, "Forbidden", "workloads is forbidden")
        return self.workloads


async def explain(client: FakeClient, job: dict[str, Any] = JOB) -> Waiting | None:
    return await kueue.explain_suspension(client, job)  # type: ignore[arg-type]


async def test_the_jobs_own_workload_is_read_in_the_served_version() -> None:
    client = FakeClient(
        workload(condition("QuotaReserved", "False", "Old", "")), workload(condition("QuotaReserved", "False", "New", ""), version=10)
    )
    waiting = await explain(client)
    assert waiting is not None
    assert waiting.reason == "New"
    place = "/apis/kueue.x-k8s.io/v1beta2/namespaces/default/workloads"
    assert client.requests == [("/apis/kueue.x-k8s.io", ""), (place, "kueue.x-k8s.io/job-uid=u")]


@pytest.mark.parametrize("job", [{**JOB, "spec": {}}, {**JOB, "spec": {"suspend": False}}, {**JOB, "metadata": {"name": "j", "uid": "u"}}])
async def test_nothing_is_read_for_a_job_that_runs_or_has_no_queue(job: dict[str, Any]) -> None:
    client = FakeClient()
    assert await explain(client, job) is None
    assert client.requests == []


async def test_a_missing_kueue_workload_or_right_is_no_error() -> None:
    assert await explain(FakeClient()) is None
    none, refused = await explain(FakeClient(installed=False)), await explain(FakeClient(refuses=403))
    assert none is not None
    assert none.message == "no Kueue is installed in this cluster, so nobody admits it"
    assert refused is not None
    assert refused.message == "Kueue's Workload cannot be read: Forbidden: workloads is forbidden"


async def test_an_api_server_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(ApiError):
        await explain(FakeClient(unreachable=True))


QUOTA = condition("QuotaReserved", "False", "WaitingForQuota", "insufficient unused quota for cpu")
TAKEN = condition("Evicted", "True", "Preempted", "Preempted to accommodate a workload")


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (workload(), "", "Kueue has not looked at it yet"),
        (workload(QUOTA), "WaitingForQuota", "insufficient unused quota for cpu"),
        (workload(TAKEN), "Preempted", "Preempted to accommodate a workload"),
        (
            workload(QUOTA, TAKEN),
            "Preempted",
            "Preempted to accommodate a workload; WaitingForQuota: insufficient unused quota for cpu",
        ),
        (
            workload(condition("QuotaReserved", "False", "Pending", TAKEN["message"]), TAKEN),
            "Preempted",
            "Preempted to accommodate a workload",
        ),
        (workload(QUOTA, {**TAKEN, "status": "False"}), "WaitingForQuota", "insufficient unused quota for cpu"),
        (
            workload(
                condition("QuotaReserved", "True", "QuotaReserved", ""),
                admissionChecks=[{"name": "budget", "state": "Pending", "message": "not approved"}],
            ),
            "",
            "its quota is reserved, admission checks are not ready; budget is Pending: not approved",
        ),
        (
            workload(condition("QuotaReserved", "True", "QuotaReserved", ""), condition("Admitted", "True", "Admitted", "")),
            "",
            "it is admitted and about to start",
        ),
    ],
)
def test_the_decisive_condition_explains_the_suspension(body: dict[str, Any], reason: str, message: str) -> None:
    waiting = kueue.parse_workload(body)
    assert (waiting.reason, waiting.message) == (reason, message)


def test_a_parsed_job_says_whether_it_is_suspended_and_in_which_queue() -> None:
    waiting = Waiting(reason="WaitingForQuota", message="", since="")
    job = parse_job(JOB, queued=waiting)
    assert (job.suspended, job.queue, job.queued) == (True, "team", waiting)
    plain = parse_job({"metadata": {"name": "j", "uid": "u"}, "spec": {}})
    assert (plain.suspended, plain.queue, plain.queued) == (False, "", None)
