"""Write the status: at most one request in a pass, none when nothing changed."""

from collections.abc import Callable
from typing import Any

from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client, Patch
from lwm_operator.cluster.port import no_check


def status_body(status: Status) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


async def write_status(client: Client, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
    """Write the status over the version of the training that was read; return False when it is the same already.

    `last_check` as in `ClusterPort`. Raises ApiError with code 409 when the training has been written since.
    """
    if status == training.status:
        return False
    last_check()
    await client.patch(_path(training.metadata), _body(training.metadata, status_body(status)), Patch.APPLY, manager=names.FIELD_MANAGER)
    return True


async def patch_status(client: Client, metadata: Metadata, status: Status) -> None:
    """Write the fields that are set in `status` over the version of the training with this metadata.

    A merge patch, because an apply would remove the fields that it leaves out. Raises ApiError, with code 409 when the training has been
    written since.
    """
    fields = status.model_dump(mode="json", by_alias=True, exclude_unset=True)
    await client.patch(_path(metadata), _body(metadata, fields), Patch.MERGE, manager=names.FIELD_MANAGER)


def _path(metadata: Metadata) -> str:
    return paths.item(names.KIND, metadata.namespace, metadata.name) + "/status"


def _body(metadata: Metadata, status: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": metadata.name, "namespace": metadata.namespace, "resourceVersion": metadata.resource_version},
        "status": status,
    }
