"""Reads the nodes that one look at a training asks for, each of them once."""

import asyncio
from collections.abc import Iterable, Mapping

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client


class NodeReader:
    """It lives no longer than one look, so that no look decides by an old node."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._nodes: dict[str, Body | None] = {}

    async def read(self, names: Iterable[str]) -> Mapping[str, Body | None]:
        """Return the nodes of these names; None for one that does not exist."""
        wanted = list(dict.fromkeys(names))
        unread = [name for name in wanted if name not in self._nodes]
        bodies = await asyncio.gather(*(self._client.get(paths.node(name)) for name in unread))
        self._nodes.update(zip(unread, bodies, strict=True))
        return {name: self._nodes[name] for name in wanted}
