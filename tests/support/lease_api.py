"""The API server as leader election sees it: one Lease with resource versions, and a network that delays, hangs and loses answers."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lwm_operator.cluster.client import UNREACHABLE, ApiError, Body, Client


@dataclass
class LeaseServer:
    lease: Body | None = None
    version: int = 0

    def delete(self) -> None:
        self.lease = None

    def handle(self, method: str, path: str, body: Body | None) -> Body:
        if method == "GET":
            if self.lease is None:
                raise ApiError(method, path, 404, "NotFound", "")
            return copy.deepcopy(self.lease)
        assert body is not None
        if method == "POST":
            if self.lease is not None:
                raise ApiError(method, path, 409, "AlreadyExists", "")
            return self._store(body)
        assert method == "PUT"
        if self.lease is None:
            raise ApiError(method, path, 404, "NotFound", "")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(method, path, 409, "Conflict", "")
        # As in etcd: a write that changes nothing leaves the version.
        return copy.deepcopy(self.lease) if body == self.lease else self._store(body)

    def _store(self, body: Body) -> Body:
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return copy.deepcopy(self.lease)


@dataclass(frozen=True)
class Trip:
    """One request: seconds until it has its effect, seconds until its answer arrives, and whether either gets lost."""

    there: float = 0.01
    back: float = 0.01
    request_lost: bool = False
    answer_lost: bool = False


@dataclass
class LeaseClient(Client):
    """A client without a transport. Its requests take the trips of `next_trip`; a lost one ends after `timeout`, as the real client's."""

    server: LeaseServer
    next_trip: Callable[[], Trip] = field(default=Trip)
    timeout: float = 30.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Body | None = None, content: str = "application/json"
    ) -> Body:
        trip = self.next_trip()
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not trip.request_lost:
            # The effect comes even where the caller has given up by then.
            asyncio.get_running_loop().call_later(trip.there, self._take_effect, outcome, trip, method, path, copy.deepcopy(body))
        try:
            async with asyncio.timeout(self.timeout):
                answer: Body = await outcome
                return answer
        except TimeoutError as error:
            raise ApiError(method, path, UNREACHABLE, "Unreachable", "timeout") from error

    def _take_effect(self, outcome: asyncio.Future[Any], trip: Trip, method: str, path: str, body: Body | None) -> None:
        result: Body | ApiError
        try:
            result = self.server.handle(method, path, body)
        except ApiError as error:
            result = error
        if not trip.answer_lost:
            asyncio.get_running_loop().call_later(trip.back, _arrive, outcome, result)


def _arrive(outcome: asyncio.Future[Any], result: Body | ApiError) -> None:
    if outcome.done():
        return
    if isinstance(result, ApiError):
        outcome.set_exception(result)
    else:
        outcome.set_result(result)
