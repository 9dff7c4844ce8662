"""The Indexed Job of one attempt. It is created once and never applied again: templates are immutable, and queues change Jobs."""

from lwm_operator.api import names
from lwm_operator.manifests.common import Manifest, Run, metadata
from lwm_operator.manifests.pod import pod_spec
from lwm_trainer.config import PERMANENT_EXIT_CODES


def job(run: Run) -> Manifest:
    """No retries and no time to live: the operator alone decides about the next attempt and keeps the evidence."""
    cpu = run.training.spec.accelerator.cpu
    hosts = cpu.hosts if cpu is not None else 1
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(run.training, run.name, run.labels),
        "spec": {
            "completionMode": "Indexed",
            "completions": hosts,
            "parallelism": hosts,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": names.CONTAINER,
                            "operator": "In",
                            "values": sorted(int(code) for code in PERMANENT_EXIT_CODES),
                        },
                    },
                ]
            },
            "template": {"metadata": {"labels": run.labels}, "spec": pod_spec(run)},
        },
    }
