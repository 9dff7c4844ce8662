"""From API objects to the plan's views: the one place that knows their shapes. An odd object becomes an odd view, never an error."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from lwm_operator.api import names
from lwm_operator.plan.moments import stamp
from lwm_operator.plan.observed import JobView, PodState, PodView, Waiting
from lwm_trainer.config import PROGRESS_ANNOTATION, LastWords, Progress

Object = Mapping[str, Any]

DISRUPTIONS = {
    "DeletionByPodGC": "NodeGone",
    "DeletionByTaintManager": "TaintedNode",
    "EvictionByEvictionAPI": "Evicted",
    "PreemptionByScheduler": "Preempted",
    "TerminationByKubelet": "Evicted",
}
"""Reasons of the condition DisruptionTarget."""

INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"


def owned(body: Object, uid: str) -> bool:
    """Whether the training with this uid controls the object: one of the same name before it had another uid."""
    return any(reference.get("controller") and reference.get("uid") == uid for reference in body["metadata"].get("ownerReferences") or ())


def ended(body: Object) -> bool:
    """Whether the Job's controller is done with it."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(each.get("type") in ("Complete", "Failed", "FailureTarget") and each.get("status") == "True" for each in conditions)


def job_view(body: Object, complaint: str = "") -> JobView:
    """`complaint`: why its pods are not made, when they are not."""
    status = body.get("status") or {}
    bad = [
        each for each in status.get("conditions") or () if each.get("type") in ("Failed", "FailureTarget") and each.get("status") == "True"
    ]
    return JobView(
        name=body["metadata"]["name"],
        uid=body["metadata"]["uid"],
        stage=_number(body, names.LABEL_STAGE),
        attempt=_number(body, names.LABEL_ATTEMPT),
        succeeded=int(status.get("succeeded") or 0),
        failed=bool(bad),
        failed_indexes=_indexes(str(status.get("failedIndexes") or "")),
        message=str(bad[0].get("message") or "") if bad else complaint,
    )


def _indexes(text: str) -> frozenset[int]:
    """Of a text such as `0,3-5`."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def pod_view(body: Object) -> PodView:
    about, status = body["metadata"], body.get("status") or {}
    container: Object = next(iter(status.get("containerStatuses") or ()), {})
    ended: Object = (container.get("state") or {}).get("terminated") or {}
    deleting = about.get("deletionTimestamp") is not None
    disrupted = next((each for each in status.get("conditions") or () if each.get("type") == "DisruptionTarget"), None)
    return PodView(
        name=about["name"],
        uid=about["uid"],
        stage=_number(body, names.LABEL_STAGE),
        attempt=_number(body, names.LABEL_ATTEMPT),
        index=int((about.get("annotations") or {}).get(INDEX_ANNOTATION) or 0),
        state=_state(status, ended),
        node=(body.get("spec") or {}).get("nodeName"),
        deleting=deleting,
        grace_seconds=int(about.get("deletionGracePeriodSeconds") or 0) if deleting else 30,
        gone_by=about.get("deletionTimestamp"),
        exit_code=ended.get("exitCode"),
        reason=_reason(status, ended, disrupted),
        message=str(status.get("message") or (disrupted or {}).get("message") or "")[:500],
        words=_words(ended.get("message")),
        waiting=_waiting(about, status, container),
        memory_limit=str(_limits(body).get("memory") or ""),
    )


def progress_of(body: Object) -> Progress | None:
    """What process 0 wrote on its Lease; None when there is nothing that can be read."""
    try:
        return Progress.model_validate_json((body["metadata"].get("annotations") or {})[PROGRESS_ANNOTATION])
    except (KeyError, ValidationError):
        return None


def renewed_at(body: Object) -> str | None:
    """The Lease's renewTime in whole seconds, as `moments` writes them; None when nobody has renewed it yet."""
    try:
        return stamp(datetime.fromisoformat((body.get("spec") or {})["renewTime"]))
    except (KeyError, TypeError, ValueError):
        return None


def numbers(body: Object) -> tuple[int, int]:
    """Stage and attempt of a child."""
    return _number(body, names.LABEL_STAGE), _number(body, names.LABEL_ATTEMPT)


def node_ready(body: Object | None) -> bool:
    conditions = ((body or {}).get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _number(body: Object, label: str) -> int:
    text = (body["metadata"].get("labels") or {}).get(label, "")
    return int(text) if text.isdigit() else 0


def _state(status: Object, ended: Object) -> PodState:
    """A container that has ended decides, even before the pod's phase says so."""
    if ended:
        return PodState.SUCCEEDED if ended.get("exitCode") == 0 else PodState.FAILED
    try:
        return PodState(str(status.get("phase")))
    except ValueError:
        return PodState.PENDING


def _reason(status: Object, ended: Object, disrupted: Object | None) -> str:
    for said in (ended.get("reason") if ended.get("reason") == "OOMKilled" else None, status.get("reason")):
        if said:
            return str(said)
    if disrupted is not None and ended.get("exitCode") != 0:
        return DISRUPTIONS.get(str(disrupted.get("reason")), "Evicted")
    return str(ended.get("reason") or "")


def _limits(body: Object) -> Object:
    container: Object = next(iter((body.get("spec") or {}).get("containers") or ()), {})
    return (container.get("resources") or {}).get("limits") or {}


def _words(text: str | None) -> LastWords | None:
    try:
        return LastWords.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _waiting(about: Object, status: Object, container: Object) -> Waiting | None:
    since = str(about.get("creationTimestamp") or "")
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return Waiting(
                reason=str(each.get("reason") or "Unschedulable"),
                message=str(each.get("message") or "no node takes it"),
                since=str(each.get("lastTransitionTime") or since),
            )
    waiting: Object = (container.get("state") or {}).get("waiting") or {}
    if not waiting.get("reason"):
        return None
    image = container.get("image") or ""
    return Waiting(reason=str(waiting["reason"]), message=str(waiting.get("message") or f"image {image}")[:600], since=since)
