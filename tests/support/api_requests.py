"""Requests about LWMTrainings, as a user sends them."""

from typing import Any

from lwm_operator.api import names
from lwm_operator.api.training import Training, parse_training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from simulation.builders import body


def manifest(namespace: str, name: str = "bible", **changes: Any) -> Body:
    return {**body(**changes), "metadata": {"name": name, "namespace": namespace}}


async def create(client: Client, namespace: str, name: str = "bible", **changes: Any) -> Training:
    """With strict field validation, as kubectl asks for. Raises ApiError."""
    return await submit(client, manifest(namespace, name, **changes))


async def submit(client: Client, wanted: Body) -> Training:
    place = paths.collection(names.KIND, wanted["metadata"]["namespace"])
    return parse_training(await client.call("POST", place, body=wanted, query={"fieldValidation": "Strict"}))


async def refusal(client: Client, wanted: Body) -> str:
    """The message with which the API server refuses; empty when it admits."""
    try:
        await submit(client, wanted)
    except ApiError as error:
        if error.code != 422:
            raise
        return error.message
    return ""


async def change(client: Client, training: Training, patch: Body) -> str:
    """A merge patch; the message with which it is refused, empty when it is admitted."""
    path = paths.item(names.KIND, training.metadata.namespace, training.metadata.name)
    try:
        await client.patch(path, patch, Patch.MERGE, manager="user")
    except ApiError as error:
        if error.code != 422:
            raise
        return error.message
    return ""


async def reload(client: Client, training: Training) -> Training:
    current = await client.get(paths.item(names.KIND, training.metadata.namespace, training.metadata.name))
    assert current is not None
    return parse_training(current)
