"""Leader election: only the operator that holds the Lease works. It exits when it loses the Lease and releases it at shutdown."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client

LEASE_SECONDS = 15
RENEW_SECONDS = 10.0
RETRY_SECONDS = 2.0


class LeadershipLostError(Exception):
    """Another process leads, or the API server could not be reached in time."""


class Leader:
    """Holds one Lease in the operator's own namespace. `now` returns aware UTC times."""

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
        """Return when this process leads."""
        while not await self._try_acquire():  # noqa: ASYNC110 - another process changes it, not one of our tasks
            await asyncio.sleep(RETRY_SECONDS)

    async def hold(self) -> None:
        """Renew the Lease for ever. Raises LeadershipLostError when it could not be renewed before it ran out."""
        renewed = self._now()
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                held = await self._try_acquire()
            except ApiError:
                held = False
            if held:
                renewed = self._now()
            elif self._now() - renewed > timedelta(seconds=RENEW_SECONDS):
                raise LeadershipLostError(f"Lease {self._namespace}/{self._name} was not renewed for {RENEW_SECONDS:.0f} s")

    async def release(self) -> None:
        """Let the next process lead at once."""
        lease = await self._client.get(self._path)
        if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
            await self._put({**lease, "spec": {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}})

    async def _try_acquire(self) -> bool:
        """Take or renew the Lease; return whether this process holds it."""
        lease = await self._client.get(self._path)
        if lease is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": self._spec({})}
            return await self._succeeds(self._client.call("POST", paths.collection("Lease", self._namespace), body=body))
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        if holder not in (None, "", self._identity) and not self._expired(spec):
            return False
        return await self._succeeds(self._put({**lease, "spec": self._spec(spec)}))

    async def _succeeds(self, write: Awaitable[Body]) -> bool:
        """Await the write; return False when another process was faster."""
        try:
            await write
        except ApiError as error:
            if error.code == 409:
                return False
            raise
        return True

    async def _put(self, body: Body) -> Body:
        """Replace the version that was read: of two processes that try, one gets 409."""
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
