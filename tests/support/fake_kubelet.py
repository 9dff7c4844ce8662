"""Pods of a real API server that never run: the test writes what their kubelets would write."""

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client, Patch
from lwm_trainer.config import TerminationMessage


async def worker_pods(client: Client, namespace: str, job: str) -> list[Body]:
    pods = await client.list(paths.collection("Pod", namespace), f"batch.kubernetes.io/job-name={job}")
    return sorted(pods, key=lambda pod: int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]))


async def finish_worker(client: Client, pod: Body, words: TerminationMessage) -> None:
    """Write that the worker has ended with this termination message."""
    ended = {"exitCode": words.code, "reason": "Error" if words.code else "Completed", "message": words.model_dump_json(by_alias=True)}
    container = {"name": names.CONTAINER, "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": {"terminated": ended}}
    status = {"phase": "Failed" if words.code else "Succeeded", "containerStatuses": [container]}
    place = paths.item("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
    await client.patch(f"{place}/status", {"status": status}, Patch.MERGE, manager="kubelet")
