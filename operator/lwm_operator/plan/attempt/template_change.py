"""An edit of the pod template before any pod of the attempt has run: the pods are created again, so that a wrong image can be corrected."""

import hashlib

from lwm_operator.api.attempt_status import FailureClass, RootCause
from lwm_operator.api.spec import Spec
from lwm_operator.plan.attempt.queueing import is_queued
from lwm_operator.plan.observed import JobView, PodView
from lwm_operator.plan.reasons import LifecycleReason

HASH_VERSION = "2"
"""Changes with what is hashed. Hashes of different versions say nothing about an edit."""
TIMERS = {"placement_timeout_seconds", "startup_timeout_seconds"}
"""Fields of `execution` that the operator follows, and no pod carries: an edit takes effect at once."""


def template_hash(spec: Spec) -> str:
    """A hash of the parts of the spec that pods are made from and that may be edited during an attempt.

    Only values that differ from their defaults count. The API server writes the defaults of a newer CRD into every spec that it returns, so
    that a field which an upgrade of the operator adds looks like an edit otherwise.
    """
    pod_template = spec.pod_template.model_dump_json(exclude_defaults=True)
    execution = spec.execution.model_dump_json(exclude_defaults=True, exclude=TIMERS)
    digest = hashlib.sha256("\n".join((spec.image, pod_template, execution)).encode()).hexdigest()
    return f"{HASH_VERSION}-{digest[:16]}"


def is_edited(template: str | None, spec: Spec) -> bool:
    """Whether pods made from `template`, a hash, would be others today. Of an unknown hash, or an older operator's, it is not known."""
    return template is not None and template.startswith(f"{HASH_VERSION}-") and template != template_hash(spec)


def superseded_cause(job: JobView | None, spec: Spec, pods: tuple[PodView, ...]) -> RootCause | None:
    """The cause of the end of an attempt whose pods wait, but were made from an older spec; None when they were not."""
    if job is None or any(pod.has_run for pod in pods):
        return None
    if not is_queued(job, pods) and not any(pod.waiting is not None for pod in pods):
        return None
    if not is_edited(job.template, spec):
        return None
    message = "image, podTemplate or execution was edited before the pods ran: they are created again"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=LifecycleReason.SUPERSEDED, message=message)
