"""From API objects to the plan's views: the one place that knows their shapes. An odd object becomes an odd view, never an error."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from lwm_operator.api import names
from lwm_operator.plan.observed import JobView, PodState, PodView, PreparationView, Waiting
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import PROGRESS_ANNOTATION, Preparation, Progress, TerminationMessage

Object = Mapping[str, Any]

DISRUPTIONS = {
    "DeletionByPodGC": "NodeGone",
    "DeletionByTaintManager": "TaintedNode",
    "EvictionByEvictionAPI": "Evicted",
    "PreemptionByScheduler": "Preempted",
    "TerminationByKubelet": "Evicted",
}
"""Reasons of the condition DisruptionTarget."""

LETTERS = 1000
"""Of what scheduler and kubelet say."""
CREATING = ("ContainerCreating", "PodInitializing")
"""The kubelet's words for everything before the container: it says more only in Events."""
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"


def owned(body: Object, uid: str) -> bool:
    """Whether the training with this uid controls the object: one of the same name before it had another uid."""
    return any(reference.get("controller") and reference.get("uid") == uid for reference in body["metadata"].get("ownerReferences") or ())


def ended(body: Object) -> bool:
    """Whether the Job's controller is done with it."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(each.get("type") in ("Complete", "Failed", "FailureTarget") and each.get("status") == "True" for each in conditions)


def job_view(body: Object, complaint: str = "", queued: Waiting | None = None) -> JobView:
    """`complaint`: why its pods are not made, when they are not; `queued`: what its queue says, when it is suspended."""
    status = body.get("status") or {}
    bad = [
        each for each in status.get("conditions") or () if each.get("type") in ("Failed", "FailureTarget") and each.get("status") == "True"
    ]
    return JobView(
        name=body["metadata"]["name"],
        uid=body["metadata"]["uid"],
        stage=_number(body, names.LABEL_STAGE),
        attempt=_number(body, names.LABEL_ATTEMPT),
        slice=slice_of(body),
        template=(body["metadata"].get("annotations") or {}).get(names.ANNOTATION_TEMPLATE),
        succeeded=int(status.get("succeeded") or 0),
        failed=bool(bad),
        failed_indexes=frozenset(_first_host(body) + index for index in _indexes(str(status.get("failedIndexes") or ""))),
        message=str(bad[0].get("message") or "") if bad else complaint,
        since=str(body["metadata"].get("creationTimestamp") or ""),
        suspended=suspended(body),
        queue=queue_of(body),
        queued=queued,
    )


def preparation_of(body: Object) -> tuple[str, int] | None:
    """Data set and run of a preparation's Job, pod or Lease; None for what belongs to an attempt."""
    name = (body["metadata"].get("labels") or {}).get(names.LABEL_DATASET)
    return (str(name), _number(body, names.LABEL_RUN)) if name else None


def preparation_view(job: Object, view: JobView, pods: tuple[PodView, ...], report: Preparation | None) -> PreparationView:
    """Of the Job as it is and as `job_view` sees it, and of its own pods."""
    dataset, run = preparation_of(job) or ("", 0)
    workers = int((job.get("spec") or {}).get("completions") or 1)
    complete = view.succeeded >= workers
    return PreparationView(dataset=dataset, run=run, job=view, workers=workers, complete=complete, pods=pods, report=report)


def made_by(body: Object, job: Object) -> bool:
    """Whether the Job's controller made the pod for this very Job."""
    return owned(body, job["metadata"]["uid"])


def suspended(body: Object) -> bool:
    """Whether the Job waits for somebody who unsuspends it."""
    return bool((body.get("spec") or {}).get("suspend"))


def queue_of(body: Object) -> str:
    """The LocalQueue that the Job is for, by its label: Kueue may have put it there by itself."""
    return str((body["metadata"].get("labels") or {}).get(names.LABEL_QUEUE) or "")


def _indexes(text: str) -> frozenset[int]:
    """Of a text such as `0,3-5`."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def pod_view(body: Object) -> PodView:
    about, status = body["metadata"], body.get("status") or {}
    ended: Object = (_trainer(status).get("state") or {}).get("terminated") or {}
    deleting = about.get("deletionTimestamp") is not None
    words = _words(ended.get("message"))
    disrupted = next((each for each in status.get("conditions") or () if each.get("type") == "DisruptionTarget"), None)
    return PodView(
        name=about["name"],
        uid=about["uid"],
        stage=_number(body, names.LABEL_STAGE),
        attempt=_number(body, names.LABEL_ATTEMPT),
        slice=slice_of(body),
        index=_first_host(body) + int((about.get("annotations") or {}).get(INDEX_ANNOTATION) or 0),
        state=_state(status, ended),
        node=(body.get("spec") or {}).get("nodeName"),
        deleting=deleting,
        grace_seconds=int(about.get("deletionGracePeriodSeconds") or 0) if deleting else 30,
        gone_by=about.get("deletionTimestamp"),
        exit_code=ended.get("exitCode"),
        reason=_reason(status, ended, disrupted),
        memory_limit=str(_limits(body).get("memory") or ""),
        message=str(status.get("message") or (disrupted or {}).get("message") or ("" if words else ended.get("message")) or "")[:500],
        termination_message=words,
        waiting=_waiting(body),
        ready=not any(each.get("type") == "Ready" and each.get("status") == "False" for each in status.get("conditions") or ()),
        given_up=_given_up(status),
    )


def progress_of(body: Object) -> Progress | None:
    """What process 0 wrote on its Lease; None when there is nothing that can be read."""
    try:
        return Progress.model_validate_json((body["metadata"].get("annotations") or {})[PROGRESS_ANNOTATION])
    except (KeyError, ValidationError):
        return None


def preparation_report(body: Object) -> Preparation | None:
    """The same of worker 0 of a preparation."""
    try:
        return Preparation.model_validate_json((body["metadata"].get("annotations") or {})[PROGRESS_ANNOTATION])
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


def slice_of(body: Object) -> int:
    return _number(body, names.LABEL_SLICE)


def node_lost(name: str, body: Object | None) -> Waiting | None:
    """What to say of the pods on a node that is not ready or gone; None when it is ready."""
    if body is None:
        return Waiting(reason="NodeNotReady", message=f"node {name} is gone", since="")
    conditions = (body.get("status") or {}).get("conditions") or ()
    ready: Object = next((each for each in conditions if each.get("type") == "Ready"), {})
    if ready.get("status") == "True":
        return None
    said = f"node {name} is not ready: {ready.get('message') or 'its kubelet has never reported'}"
    return Waiting(reason="NodeNotReady", message=said, since=str(ready.get("lastTransitionTime") or ""))


def _given_up(status: Object) -> str | None:
    """The node controller clears a pod's Ready and nothing else. A kubelet clears ContainersReady with it, or tells of a gate."""
    said: dict[str, Object] = {str(each.get("type")): each for each in status.get("conditions") or ()}
    ready, containers = said.get("Ready", {}), said.get("ContainersReady", {})
    if (ready.get("status"), containers.get("status")) != ("False", "True") or ready.get("reason") == "ReadinessGatesNotReady":
        return None
    return str(ready.get("lastTransitionTime") or "")


def _number(body: Object, label: str) -> int:
    text = (body["metadata"].get("labels") or {}).get(label, "")
    return int(text) if text.isdigit() else 0


def _first_host(body: Object) -> int:
    """The number over all slices of its slice's first host."""
    text = (body["metadata"].get("annotations") or {}).get(names.ANNOTATION_FIRST_HOST, "")
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


def _words(text: str | None) -> TerminationMessage | None:
    try:
        return TerminationMessage.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _trainer(status: Object) -> Object:
    """The status of our own container; others may have been injected."""
    there = list(status.get("containerStatuses") or ())
    return next((each for each in there if each.get("name") == names.CONTAINER), there[0] if there else {})


def _waiting(body: Object) -> Waiting | None:
    """What the scheduler says of a pod without a node, what the kubelet says of one that has it; None when nobody says anything."""
    status, spec = body.get("status") or {}, body.get("spec") or {}
    since = str(body["metadata"].get("creationTimestamp") or "")
    scheduled: Object = next((each for each in status.get("conditions") or () if each.get("type") == "PodScheduled"), {})
    since = str(scheduled.get("lastTransitionTime") or since)
    if scheduled.get("status") == "False":
        said = str(scheduled.get("message") or "no node takes it")
        said += _claims(spec) if "unbound" in said else ""
        return Waiting(reason=str(scheduled.get("reason") or "Unschedulable"), message=said[:LETTERS], since=since)
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting: Object = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in CREATING:
            return Waiting(reason=str(waiting["reason"]), message=_said(waiting, str(container.get("image") or ""))[:LETTERS], since=since)
    if status.get("phase") == "Pending" and spec.get("nodeName"):
        return Waiting(reason=CREATING[0], message="", since=since)
    return None


def _said(waiting: Object, image: str) -> str:
    """The kubelet's words; those about an image with its name."""
    said = str(waiting.get("message") or "")
    if "Image" not in waiting["reason"] or image in said:
        return said
    return f'image "{image}": {said}'.removesuffix(": ")


def _claims(spec: Object) -> str:
    """The scheduler speaks of unbound claims without their names."""
    claims = [each["persistentVolumeClaim"]["claimName"] for each in spec.get("volumes") or () if each.get("persistentVolumeClaim")]
    said = ", ".join(dict.fromkeys(claims))
    return f" (claims: {said})" if said else ""
