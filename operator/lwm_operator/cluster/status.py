"""Write the status: one server-side apply a reconcile, none when nothing changed."""

from typing import Any

from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client, Patch


def as_body(status: Status) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


async def write_status(client: Client, training: Training, status: Status) -> bool:
    """Whether it was written. The version that was read goes along: for a plan made from an old look, `ApiError` with code 409."""
    if status == training.status:
        return False
    about = training.metadata
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": about.name, "namespace": about.namespace, "resourceVersion": about.resource_version},
        "status": as_body(status),
    }
    await client.patch(
        paths.item(names.KIND, about.namespace, about.name) + "/status",
        body,
        Patch.APPLY,
        manager=names.FIELD_MANAGER,
    )
    return True
