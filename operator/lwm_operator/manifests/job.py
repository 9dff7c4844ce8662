"""The Indexed Job of one attempt. It is created once and never applied again: templates are immutable, and queues change Jobs."""

from lwm_operator.api import names
from lwm_operator.manifests.common import Manifest, Run, metadata
from lwm_operator.manifests.pod import pod_spec


def job(run: Run) -> Manifest:
    """No retries and no time to live: the operator alone decides about the next attempt and keeps the evidence."""
    cpu = run.training.spec.accelerator.cpu
    hosts = cpu.hosts if cpu is not None else 1
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(run.training, run.name, run.labels) | {"annotations": {names.ANNOTATION_TEMPLATE: run.template}},
        "spec": {
            "completionMode": "Indexed",
            "completions": hosts,
            "parallelism": hosts,
            # By index, and nothing else: a failed pod is never replaced, and its peers are left alone until we have heard them.
            # (With backoffLimit: 0 the Job's controller deletes them at once, and with them their last words.)
            "backoffLimitPerIndex": 0,
            "template": {"metadata": {"labels": run.labels}, "spec": pod_spec(run)},
        },
    }
