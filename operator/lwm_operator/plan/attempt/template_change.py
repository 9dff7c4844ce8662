"""An edit of the pod template before any pod of the attempt has run: the pods are created again, so that a wrong image can be corrected."""

import hashlib

from lwm_operator.api.spec import Spec
from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.attempt.queueing import is_queued
from lwm_operator.plan.observed import JobView, PodView
from lwm_operator.plan.reasons import LifecycleReason


def template_hash(spec: Spec) -> str:
    """A hash of the parts of the spec that pods are made from and that may be edited during an attempt."""
    text = "\n".join((spec.image, spec.pod_template.model_dump_json(), spec.execution.model_dump_json()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def superseded_cause(job: JobView | None, spec: Spec, pods: tuple[PodView, ...]) -> RootCause | None:
    """The cause of the end of an attempt whose pods wait, but were made from an older spec; None when they were not."""
    if job is None or job.template is None or any(pod.has_run for pod in pods):
        return None
    if not is_queued(job, pods) and not any(pod.waiting is not None for pod in pods):
        return None
    if job.template == template_hash(spec):
        return None
    message = "image, podTemplate or execution was edited before the pods ran: they are created again"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=LifecycleReason.SUPERSEDED, message=message)
