"""Write the status: at most one server-side apply in a pass, none when nothing changed."""

from typing import Any

from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client, Patch


def status_body(status: Status) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


async def write_status(client: Client, training: Training, status: Status) -> bool:
    """Write the status over the version of the training that was read; return False when it is the same already.

    Raises ApiError with code 409 when the training has been written since.
    """
    if status == training.status:
        return False
    metadata = training.metadata
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": metadata.name, "namespace": metadata.namespace, "resourceVersion": metadata.resource_version},
        "status": status_body(status),
    }
    path = paths.item(names.KIND, metadata.namespace, metadata.name) + "/status"
    await client.patch(path, body, Patch.APPLY, manager=names.FIELD_MANAGER)
    return True
