"""Pods of a real API server that never run: what their kubelets would say is said for them."""

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client, Patch
from lwm_trainer.config import TerminationMessage


async def workers(client: Client, namespace: str, job: str) -> list[Body]:
    found = await client.list(paths.collection("Pod", namespace), f"batch.kubernetes.io/job-name={job}")
    return sorted(found, key=lambda pod: int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]))


async def played(client: Client, pod: Body, words: TerminationMessage) -> None:
    """The worker has left with these words."""
    ended = {"exitCode": words.code, "reason": "Error" if words.code else "Completed", "message": words.model_dump_json(by_alias=True)}
    container = {"name": names.CONTAINER, "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": {"terminated": ended}}
    status = {"phase": "Failed" if words.code else "Succeeded", "containerStatuses": [container]}
    place = paths.item("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
    await client.patch(f"{place}/status", {"status": status}, Patch.MERGE, manager="kubelet")
