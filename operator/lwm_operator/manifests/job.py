"""The Indexed Jobs of an attempt, one a slice: created once and never applied again, as templates are immutable and queues change Jobs."""

from lwm_operator.api import names
from lwm_operator.manifests.accelerator_requirements import needs_of
from lwm_operator.manifests.common import Manifest, Run, metadata
from lwm_operator.manifests.pod import pod_spec
from lwm_operator.manifests.profile import with_profile
from lwm_trainer.config import slice_name


def jobs(run: Run) -> tuple[Manifest, ...]:
    return tuple(_job(run, index) for index in range(run.gang.slices))


def _job(run: Run, index: int) -> Manifest:
    """No retries and no time to live: the operator alone decides about the next attempt and keeps the evidence."""
    gang = run.gang
    labels = run.labels | {names.LABEL_SLICE: str(index)}
    first = {names.ANNOTATION_FIRST_HOST: str(index * gang.hosts_per_slice)}
    needs = needs_of(run, index)
    template = {"metadata": {"labels": labels, "annotations": first}, "spec": pod_spec(run, needs, index)}
    made = metadata(run.training, slice_name(run.name, index, gang.slices), labels)
    found: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": made | {"annotations": {names.ANNOTATION_TEMPLATE: run.template, **first}},
        "spec": {
            "completionMode": "Indexed",
            "completions": gang.hosts_per_slice,
            "parallelism": gang.hosts_per_slice,
            # By index, and nothing else: a failed pod is never replaced, and its peers are left alone until we have heard them.
            # (With backoffLimit: 0 the Job's controller deletes them at once, and with them their last words.)
            "backoffLimitPerIndex": 0,
            "template": with_profile(template, needs.profile),
        },
    }
    if (queue := run.training.spec.execution.queue_name) is not None:
        # Created suspended: then not even a queue whose webhook is away lets it start before its turn.
        found["metadata"]["labels"] = {**labels, names.LABEL_QUEUE: queue}
        found["spec"]["suspend"] = True
    return found
