"""Parse Jobs and Leases into the plan's views of them. An odd object becomes an odd view, never an error."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from lwm_operator.api import names
from lwm_operator.plan.observed import JobView, PodState, PodView, PreparationView, Waiting
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import PROGRESS_ANNOTATION, Preparation, Progress

Object = Mapping[str, Any]
Report = TypeVar("Report", Progress, Preparation)

FINISHED_CONDITIONS = ("Complete", "Failed", "FailureTarget")


def controller(body: Object) -> Object | None:
    """Return the owner reference of the object's controller; None for an object without one."""
    return next((owner for owner in body["metadata"].get("ownerReferences") or () if owner.get("controller")), None)


def is_controlled_by(body: Object, uid: str) -> bool:
    """Whether the owner with this uid controls the object; an earlier owner of the same name had another uid."""
    owner = controller(body)
    return owner is not None and owner.get("uid") == uid


def is_finished(job: Object) -> bool:
    """Whether the Job's controller has finished with it."""
    return any(condition.get("type") in FINISHED_CONDITIONS and condition.get("status") == "True" for condition in conditions(job))


def is_suspended(job: Object) -> bool:
    """Whether the Job waits for somebody who unsuspends it."""
    return bool((job.get("spec") or {}).get("suspend"))


def is_held(job: Object) -> bool:
    """Whether the operator itself created the Job suspended, until the Jobs of the other slices exist."""
    return is_suspended(job) and annotations(job).get(names.ANNOTATION_HELD) == "true"


def queue_name(job: Object) -> str:
    """Return the LocalQueue in the Job's label, or an empty string; Kueue may have set the label by itself."""
    return str(labels(job).get(names.LABEL_QUEUE) or "")


def preparation_key(body: Object) -> tuple[str, int] | None:
    """Return data set and run of a preparation's Job, pod or Lease; None for one that belongs to an attempt."""
    dataset = labels(body).get(names.LABEL_DATASET)
    return (str(dataset), label_number(body, names.LABEL_RUN)) if dataset else None


def attempt_key(body: Object) -> tuple[int, int]:
    """Return stage and attempt of an attempt's Job, pod or Lease."""
    return label_number(body, names.LABEL_STAGE), label_number(body, names.LABEL_ATTEMPT)


def slice_index(body: Object) -> int:
    return label_number(body, names.LABEL_SLICE)


def first_host(body: Object) -> int:
    """Return the index, over all slices, of the first host of the object's slice."""
    return _number(annotations(body).get(names.ANNOTATION_FIRST_HOST, ""))


def label_number(body: Object, label: str) -> int:
    return _number(labels(body).get(label, ""))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def labels(body: Object) -> Object:
    return body["metadata"].get("labels") or {}


def annotations(body: Object) -> Object:
    return body["metadata"].get("annotations") or {}


def conditions(body: Object) -> tuple[Object, ...]:
    return tuple((body.get("status") or {}).get("conditions") or ())


def parse_job(body: Object, creation_failure: str = "", queued: Waiting | None = None) -> JobView:
    """Parse a Job.

    `creation_failure` says why its pods are not created, when they are not; `queued` is what its queue says, when it is suspended.
    """
    status = body.get("status") or {}
    failures = [each for each in conditions(body) if each.get("type") in ("Failed", "FailureTarget") and each.get("status") == "True"]
    stage, attempt = attempt_key(body)
    return JobView(
        name=body["metadata"]["name"],
        uid=body["metadata"]["uid"],
        stage=stage,
        attempt=attempt,
        slice=slice_index(body),
        slices=_number(annotations(body).get(names.ANNOTATION_SLICES, "")),
        hosts=int((body.get("spec") or {}).get("completions") or 0),
        image=_trainer_image(body),
        template=annotations(body).get(names.ANNOTATION_TEMPLATE),
        succeeded=int(status.get("succeeded") or 0),
        failed=bool(failures),
        failed_indexes=frozenset(first_host(body) + index for index in _indexes(str(status.get("failedIndexes") or ""))),
        message=str(failures[0].get("message") or "") if failures else creation_failure,
        since=str(body["metadata"].get("creationTimestamp") or ""),
        suspended=is_suspended(body) and not is_held(body),
        held=is_held(body),
        queue=queue_name(body),
        queued=queued,
    )


def _trainer_image(job: Object) -> str:
    pod = ((job.get("spec") or {}).get("template") or {}).get("spec") or {}
    return next((str(each.get("image") or "") for each in pod.get("containers") or () if each.get("name") == names.CONTAINER), "")


def parse_preparation(body: Object, job: JobView, pods: tuple[PodView, ...], report: Preparation | None) -> PreparationView:
    """Parse the Job of a preparation; `job` is the same Job parsed, `pods` are its own."""
    dataset, run = preparation_key(body) or ("", 0)
    workers = int((body.get("spec") or {}).get("completions") or 1)
    # The Job does not count a worker whose sidecars still run.
    succeeded = {pod.index for pod in pods if pod.state == PodState.SUCCEEDED}
    complete = max(job.succeeded, len(succeeded)) >= workers
    return PreparationView(dataset=dataset, run=run, job=job, workers=workers, complete=complete, pods=pods, report=report)


def parse_progress(lease: Object) -> Progress | None:
    """Parse what process 0 of an attempt reports on its Lease; None when nothing there can be read."""
    return parse_report(Progress, annotations(lease).get(PROGRESS_ANNOTATION))


def parse_preparation_report(lease: Object) -> Preparation | None:
    """Parse what worker 0 of a preparation reports on its Lease; None when nothing there can be read."""
    return parse_report(Preparation, annotations(lease).get(PROGRESS_ANNOTATION))


def parse_report(kind: type[Report], text: str | None) -> Report | None:
    """Parse a report of process 0; None when there is none or it cannot be read."""
    try:
        return None if text is None else kind.read_json(text)
    except ValidationError:
        return None


def parse_renew_time(lease: Object) -> str | None:
    """Parse the Lease's renewTime into whole seconds, as `timestamps.stamp` writes them; None before the first renewal."""
    try:
        return stamp(datetime.fromisoformat((lease.get("spec") or {})["renewTime"]))
    except (KeyError, TypeError, ValueError):
        return None


def _indexes(text: str) -> frozenset[int]:
    """Parse a Job's list of indexes, such as `0,3-5`."""
    indexes: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        indexes.update(range(int(first), int(last or first) + 1))
    return frozenset(indexes)
