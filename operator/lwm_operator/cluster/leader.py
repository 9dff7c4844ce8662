"""Leader election with a Lease, on the terms of client-go: lease duration, renew deadline and retry period on the monotonic clock.

A candidate takes a Lease over when it has seen no change of it for the lease duration. The leader gives up earlier: its deadline counts
from before its last renewal was sent, and a candidate can see that renewal only later. So two never lead, whatever their wall clocks say.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import UNREACHABLE, ApiError, Body, Client

LEASE_SECONDS = 15.0
"""Lease duration: how long a candidate waits after the last change that it saw."""
RENEW_DEADLINE_SECONDS = 10.0
"""How long the leader goes on after its last renewal."""
RETRY_SECONDS = 2.0
"""Retry period: between two tries to take or renew the Lease."""
TRY_SECONDS = 4.0
"""Timeout of one try: within the renew deadline a second one follows a try that hangs."""

NOBODY = ("", None)


class LeadershipLostError(Exception):
    """Another process leads, or the API server could not be reached in time."""


class Leader:
    """Holds one Lease, or waits for it.

    `now` returns aware UTC times for people who read the Lease; no decision depends on it. `report` is called when what the candidate waits
    for changes: with the holder's identity and None, or with an empty identity and the error of the last try.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        now: Callable[[], datetime],
        report: Callable[[str, ApiError | None], None] = lambda holder, error: None,  # noqa: ARG005
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._now = now
        self._report = report
        self._reported: tuple[str, str | None] = NOBODY
        self._observed: Body = {}
        """The Lease's spec as it was last seen to change."""
        self._observed_at = 0.0
        self._renewed_at = 0.0
        """Time of the event loop before the last renewal was sent."""

    @property
    def _path(self) -> str:
        return paths.item("Lease", self._namespace, self._name)

    async def acquire(self) -> None:
        """Return when this process leads. No error of the API server ends the wait."""
        while not await self._try_once():  # noqa: ASYNC110 - another process changes it, not one of our tasks
            await asyncio.sleep(RETRY_SECONDS)

    async def hold(self) -> None:
        """Renew the Lease for ever. Raises LeadershipLostError at the renew deadline, or as soon as another process holds the Lease."""
        lost = f"Lease {self._namespace}/{self._name} was not renewed for {RENEW_DEADLINE_SECONDS:.0f} s"
        while True:
            try:
                async with asyncio.timeout_at(self._renewed_at + RENEW_DEADLINE_SECONDS):
                    await asyncio.sleep(RETRY_SECONDS)
                    while not await self._try_once():
                        if (holder := self._observed.get("holderIdentity")) not in (None, "", self._identity):
                            raise LeadershipLostError(f"Lease {self._namespace}/{self._name} is held by {holder}")
                        await asyncio.sleep(RETRY_SECONDS)
            except TimeoutError:
                raise LeadershipLostError(lost) from None

    async def release(self) -> None:
        """Let the next process lead at once. Raises ApiError or TimeoutError; the Lease then runs out."""
        async with asyncio.timeout(TRY_SECONDS):
            lease = await self._client.get(self._path)
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                await self._put({**lease, "spec": {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}})

    async def _try_once(self) -> bool:
        """Take or renew the Lease within TRY_SECONDS; return whether this process holds it now."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(TRY_SECONDS):
                held = await self._take_or_renew()
        except (ApiError, TimeoutError) as error:
            if not (isinstance(error, ApiError) and error.code == 409):  # 409: another process was faster
                self._tell("", error if isinstance(error, ApiError) else _no_answer(self._path))
            return False
        if held:
            self._renewed_at, self._reported = started, NOBODY
        else:
            self._tell(str(self._observed["holderIdentity"]), None)
        return held

    async def _take_or_renew(self) -> bool:
        """Return False when another process may hold the Lease. Raises ApiError; of two that write at the same time, one gets 409."""
        lease = await self._client.get(self._path)
        self._observe({} if lease is None else lease.get("spec") or {})
        if not self._is_free():
            return False
        spec = self._next_spec()
        if lease is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            await self._client.call("POST", paths.collection("Lease", self._namespace), body=body)
        else:
            await self._put({**lease, "spec": spec})
        return True

    def _observe(self, spec: Body) -> None:
        """Note when the spec changes. A Lease that somebody deleted still counts as its last holder's, who creates it again."""
        if spec and spec != self._observed:
            self._observed, self._observed_at = spec, asyncio.get_running_loop().time()

    def _is_free(self) -> bool:
        if self._observed.get("holderIdentity") in (None, "", self._identity):
            return True
        duration = max(LEASE_SECONDS, float(self._observed.get("leaseDurationSeconds") or 0))
        return asyncio.get_running_loop().time() > self._observed_at + duration

    async def _put(self, body: Body) -> Body:
        """Replace the version that was read."""
        return await self._client.call("PUT", self._path, body=body)

    def _next_spec(self) -> Body:
        """Return the spec of a Lease that this process takes or renews.

        Within a term renewTime only grows, even where the clock stands still or is set back, because only a change shows life.
        """
        old, now = self._observed, self._now().astimezone(UTC)
        changed = old.get("holderIdentity") != self._identity
        if not changed and (last := old.get("renewTime")):
            now = max(now, datetime.fromisoformat(last) + timedelta(microseconds=1))
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_SECONDS),
            "renewTime": _micro_time(now),
            "acquireTime": _micro_time(now) if changed else old.get("acquireTime", _micro_time(now)),
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if changed else 0),
        }

    def _tell(self, holder: str, error: ApiError | None) -> None:
        state = (holder, None if error is None else str(error))
        if state != self._reported:
            self._reported = state
            self._report(holder, error)


def _micro_time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _no_answer(path: str) -> ApiError:
    return ApiError("GET", path, UNREACHABLE, "Unreachable", f"no answer within {TRY_SECONDS:.0f} s")
