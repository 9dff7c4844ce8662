"""The leader's Lease: of several operators, one works. Losing it ends the process; leaving gives it back."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client

LEASE_SECONDS = 15
RENEW_SECONDS = 10.0
RETRY_SECONDS = 2.0


class LeadershipLostError(Exception):
    """Somebody else leads, or the API server could not be reached in time."""


class Leader:
    """Holds one Lease in the operator's own namespace. `now` is UTC and aware."""

    def __init__(self, client: Client, *, namespace: str, name: str, identity: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._now = now

    @property
    def _path(self) -> str:
        return paths.item("Lease", self._namespace, self._name)

    async def acquire(self) -> None:
        """Returns when this process leads."""
        while not await self._try():  # noqa: ASYNC110 - another process changes it, not one of our tasks
            await asyncio.sleep(RETRY_SECONDS)

    async def hold(self) -> None:
        """Renews for ever. Raises `LeadershipLostError` when the Lease could not be renewed before it ran out."""
        renewed = self._now()
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                held = await self._try()
            except ApiError:
                held = False
            if held:
                renewed = self._now()
            elif self._now() - renewed > timedelta(seconds=RENEW_SECONDS):
                raise LeadershipLostError(f"Lease {self._namespace}/{self._name} was not renewed for {RENEW_SECONDS:.0f} s")

    async def release(self) -> None:
        """Let the next one begin at once."""
        there = await self._client.get(self._path)
        if there is not None and (there.get("spec") or {}).get("holderIdentity") == self._identity:
            await self._put({**there, "spec": {**there["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}})

    async def _try(self) -> bool:
        there = await self._client.get(self._path)
        if there is None:
            about = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": about, "spec": self._spec({})}
            return await self._won(self._client.call("POST", paths.collection("Lease", self._namespace), body=body))
        spec = there.get("spec") or {}
        holder = spec.get("holderIdentity")
        if holder not in (None, "", self._identity) and not self._expired(spec):
            return False
        return await self._won(self._put({**there, "spec": self._spec(spec)}))

    async def _won(self, write: Any) -> bool:
        try:
            await write
        except ApiError as error:
            if error.code == 409:
                return False
            raise
        return True

    async def _put(self, body: Body) -> Body:
        """With the resourceVersion that was read: of two who try, one gets 409."""
        return await self._client.call("PUT", self._path, body=body)

    def _expired(self, spec: Body) -> bool:
        renewed = spec.get("renewTime")
        if not renewed:
            return True
        end = datetime.fromisoformat(renewed) + timedelta(seconds=spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        return self._now() > end

    def _spec(self, old: Body) -> Body:
        micro = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = old.get("holderIdentity") != self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": micro,
            "acquireTime": micro if changed else old.get("acquireTime", micro),
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if changed else 0),
        }
