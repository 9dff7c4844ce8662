"""What an attempt's pods are made from. Edited before any of them ran, they are made anew: else nobody could mend a wrong image."""

import hashlib

from lwm_operator.api.spec import Spec
from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.attempt.queueing import is_queued
from lwm_operator.plan.observed import JobView, PodView


def template_hash(spec: Spec) -> str:
    """Of the parts of the spec that may be edited while an attempt is on, and that its pods carry."""
    said = "\n".join((spec.image, spec.pod_template.model_dump_json(), spec.execution.model_dump_json()))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def superseded_cause(job: JobView | None, spec: Spec, pods: tuple[PodView, ...]) -> RootCause | None:
    """The cause of the end of an attempt whose pods wait for something that the spec no longer says."""
    if job is None or job.template is None or any(pod.ran for pod in pods):
        return None
    if not is_queued(job, pods) and not any(pod.waiting is not None for pod in pods):
        return None
    if job.template == template_hash(spec):
        return None
    said = "image, podTemplate or execution was edited before its pods ran: they are made anew"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason="Superseded", message=said)
