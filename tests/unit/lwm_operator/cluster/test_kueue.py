"""What Kueue says of a Job, as its Workload's conditions have it."""

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


class Asked:
    """An API server with these Workloads, or without Kueue, or one that refuses."""

    def __init__(self, *found: dict[str, Any], installed: bool = True, refuses: int = 0, unreachable: bool = False) -> None:
        self.found, self.installed, self.refuses, self.unreachable = list(found), installed, refuses, unreachable
        self.places: list[tuple[str, str]] = []

    async def get(self, path: str) -> dict[str, Any] | None:
        self.places.append((path, ""))
        if self.unreachable:
            raise ApiError("GET", path, 0, "Unreachable", "")
        return {"preferredVersion": {"version": "v1beta2"}} if self.installed else None

    async def list(self, path: str, labels: str = "") -> list[dict[str, Any]]:
        self.places.append((path, labels))
        if self.refuses:
            raise ApiError("GET", path, self.refuses, "Forbidden", "workloads is forbidden")
        return self.found


async def words(asked: Asked, job: dict[str, Any] = JOB) -> Waiting | None:
    return await kueue.explain_suspension(asked, job)  # type: ignore[arg-type]


async def test_the_workload_of_that_very_job_is_asked_for_in_the_version_that_is_served() -> None:
    asked = Asked(
        workload(condition("QuotaReserved", "False", "Old", "")), workload(condition("QuotaReserved", "False", "New", ""), version=10)
    )
    found = await words(asked)
    assert found is not None
    assert found.reason == "New"
    place = "/apis/kueue.x-k8s.io/v1beta2/namespaces/default/workloads"
    assert asked.places == [("/apis/kueue.x-k8s.io", ""), (place, "kueue.x-k8s.io/job-uid=u")]


@pytest.mark.parametrize("job", [{**JOB, "spec": {}}, {**JOB, "spec": {"suspend": False}}, {**JOB, "metadata": {"name": "j", "uid": "u"}}])
async def test_nobody_is_asked_about_a_job_that_runs_or_has_no_queue(job: dict[str, Any]) -> None:
    asked = Asked()
    assert await words(asked, job) is None
    assert asked.places == []


async def test_no_kueue_no_workload_and_no_right_to_look_are_no_errors() -> None:
    assert await words(Asked()) is None
    none, refused = await words(Asked(installed=False)), await words(Asked(refuses=403))
    assert none is not None
    assert none.message == "no Kueue is installed in this cluster, so nobody admits it"
    assert refused is not None
    assert refused.message == "Kueue's Workload cannot be read: Forbidden: workloads is forbidden"


async def test_an_api_server_that_does_not_answer_is_one() -> None:
    with pytest.raises(ApiError):
        await words(Asked(unreachable=True))


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
def test_the_condition_that_matters_is_told(body: dict[str, Any], reason: str, message: str) -> None:
    found = kueue.parse_workload(body)
    assert (found.reason, found.message) == (reason, message)


def test_a_job_view_knows_whether_it_is_suspended_and_for_whom() -> None:
    said = Waiting(reason="WaitingForQuota", message="", since="")
    found = parse_job(JOB, queued=said)
    assert (found.suspended, found.queue, found.queued) == (True, "team", said)
    plain = parse_job({"metadata": {"name": "j", "uid": "u"}, "spec": {}})
    assert (plain.suspended, plain.queue, plain.queued) == (False, "", None)
