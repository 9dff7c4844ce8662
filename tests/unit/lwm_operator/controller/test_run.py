"""The process from its start to its end, on a fake API server, seen through its probes over IPv4 and IPv6."""

import asyncio
import socket
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import pytest
from structlog.testing import capture_logs

from lwm_operator.cluster import leader as leader_module
from lwm_operator.cluster.client import ApiError, Body
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller import run as module
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.settings import Settings
from support.lease_api import LeaseClient, LeaseServer, Trip
from support.operator_process import free_port

LOST = Trip(request_lost=True)


class Api(LeaseClient):
    """No trainings, and one Lease."""

    unreachable = False

    async def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Body | None = None, content: str = "application/json"
    ) -> Body:
        if self.unreachable:
            raise ApiError(method, path, 0, "Unreachable", "refused")
        if "leases" in path:
            return await super().call(method, path, query=query, body=body, content=content)
        return {"items": []}

    def unreachable_seconds(self) -> float:
        return 60.0 if self.unreachable else 0.0

    async def close(self) -> None:
        pass


class Operator:
    """Runs beside the test. `watching` is set once it leads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, api: Api, health_port: int | None = None) -> None:
        async def configuration() -> None:
            return None

        monkeypatch.setattr(module, "configuration", configuration)
        monkeypatch.setattr(module, "Client", lambda settings: api)
        self.settings = Settings(
            trainer_image="x",
            namespace="n",
            lease_namespace="n",
            identity="me",
            health_port=health_port or int(free_port()),
            metrics_port=int(free_port()),
        )
        self.watching = asyncio.Event()
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(module.run(self.settings, self.watch))

    async def watch(self, queue: KeyedQueue[TrainingKey]) -> None:
        self.watching.set()
        await self.stopping.wait()

    async def probe(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        port = self.settings.metrics_port if path == "/metrics" else self.settings.health_port
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            while True:
                try:
                    async with session.get(f"http://{host}:{port}{path}") as response:
                        return response.status, await response.text()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)

    async def ready(self, text: str) -> None:
        async with asyncio.timeout(20):
            while (await self.probe("/readyz")) != (200, f"{text}\n"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def with_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


async def test_a_standby_is_ready_and_leads_when_the_lease_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader_module, "RETRY_SECONDS", 0.02)
    server = LeaseServer()
    other = leader_module.Leader(LeaseClient(server), namespace="n", name="lwm-operator", identity="other", now=lambda: datetime.now(UTC))
    await other.acquire()
    operator = Operator(monkeypatch, Api(server))
    await operator.ready("standby: another operator leads")
    for host in ("127.0.0.1", *(("[::1]",) if with_ipv6() else ())):
        assert (await operator.probe("/healthz", host))[0] == 200
        assert "lwm_operator_is_leader" in (await operator.probe("/metrics", host))[1]
    await other.release()
    await operator.ready("leading")
    assert operator.watching.is_set()
    operator.stopping.set()
    assert await operator.task == 0
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == ""


async def test_without_an_api_server_it_waits_alive_and_not_ready_and_starts_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(module, "CRD_SECONDS", 0.0)
    api = Api(LeaseServer())
    api.unreachable = True
    operator = Operator(monkeypatch, api)
    assert await operator.probe("/readyz") == (503, "the API server has not answered for 60 s\n")
    assert (await operator.probe("/healthz"))[0] == 200
    await asyncio.sleep(0.1)
    assert not operator.task.done()
    api.unreachable = False
    await operator.ready("leading")
    operator.stopping.set()
    assert await operator.task == 0


async def test_a_leader_that_cannot_renew_ends_so_that_another_may_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader_module, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(leader_module, "RENEW_DEADLINE_SECONDS", 0.2)
    api = Api(LeaseServer())
    operator = Operator(monkeypatch, api)
    await operator.ready("leading")
    api.unreachable = True
    assert await operator.task == 1


async def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", int(free_port()))) as taken, capture_logs() as logs:
        port = taken.getsockname()[1]
        assert await Operator(monkeypatch, Api(LeaseServer()), health_port=port).task == 1
    assert [line["error"] for line in logs] == [f"LWM_HEALTH_PORT: port {port} cannot be opened: Address already in use; set another"]
