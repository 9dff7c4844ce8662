"""The Indexed Jobs of an attempt, one per slice. A Job is created once, never applied: templates are immutable, and queues edit Jobs."""

from lwm_operator.api import names
from lwm_operator.manifests.common import AttemptSpec, Manifest, metadata
from lwm_operator.manifests.pod import pod_template
from lwm_operator.manifests.run_config import run_config_hash
from lwm_trainer.config import slice_name


def jobs(attempt: AttemptSpec) -> tuple[Manifest, ...]:
    return tuple(_job(attempt, index) for index in range(attempt.gang.slices))


def _job(attempt: AttemptSpec, slice_index: int) -> Manifest:
    """A Job without retries and without a time to live: only the operator decides about the next attempt, and it keeps the evidence."""
    gang = attempt.gang
    labels = attempt.labels | {names.LABEL_SLICE: str(slice_index)}
    first_host = {names.ANNOTATION_FIRST_HOST: str(slice_index * gang.hosts_per_slice)}
    annotations = {
        names.ANNOTATION_TEMPLATE: attempt.template,
        names.ANNOTATION_SLICES: str(gang.slices),
        names.ANNOTATION_RUN_CONFIG: run_config_hash(attempt),
        **first_host,
    }
    about = metadata(attempt.training, slice_name(attempt.name, slice_index, gang.slices), labels)
    job: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": about | {"annotations": annotations},
        "spec": {
            "completionMode": "Indexed",
            "completions": gang.hosts_per_slice,
            "parallelism": gang.hosts_per_slice,
            # By index, and nothing else: a failed pod is never replaced, and its peers are left alone until the operator has heard them.
            # (With backoffLimit: 0 the Job controller deletes them at once, and their termination messages with them.)
            "backoffLimitPerIndex": 0,
            "template": pod_template(attempt, slice_index, labels, first_host),
        },
    }
    if gang.slices > 1:
        # Held until the Jobs of all slices exist, so that no slice holds nodes when another one is refused.
        job["metadata"]["annotations"][names.ANNOTATION_HELD] = "true"
        job["spec"]["suspend"] = True
    if (queue := attempt.training.spec.execution.queue_name) is not None:
        # Created suspended, so that the Job does not start before its turn, even if the queue's webhook is down.
        job["metadata"]["labels"] = {**labels, names.LABEL_QUEUE: queue}
        job["spec"]["suspend"] = True
    return job
