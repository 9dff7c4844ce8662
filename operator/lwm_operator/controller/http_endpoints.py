"""/healthz, /readyz and /metrics over IPv4 and IPv6, from the start of the process to its end."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web
from prometheus_client import MetricsHandler

from lwm_operator.controller.health import Health
from lwm_trainer.config.http_server import serve_in_thread
from lwm_trainer.config.listening_socket import open_port


class PortError(Exception):
    """A port cannot be opened."""


@asynccontextmanager
async def http_endpoints(health: Health, *, health_port: int, metrics_port: int) -> AsyncIterator[None]:
    """Serve until the block ends. Raises PortError that names the setting.

    Probes are answered by the event loop, so that a blocked one is noticed. Metrics have a thread: many of them take a while to write.
    """
    application = web.Application()
    application.router.add_get("/healthz", _probe(health, health.liveness_problem))
    application.router.add_get("/readyz", _probe(health, health.readiness_problem))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        with _named("LWM_HEALTH_PORT", health_port):
            await web.SockSite(runner, open_port(health_port)).start()
        with _named("LWM_METRICS_PORT", metrics_port):
            serve_in_thread(metrics_port, MetricsHandler)
        yield
    finally:
        await runner.cleanup()


@contextmanager
def _named(setting: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PortError(f"{setting}: port {port} cannot be opened: {os.strerror(error.errno or 0)}; set another") from error


def _probe(health: Health, find_problem: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        if (problem := find_problem()) is not None:
            return web.Response(status=503, text=f"{problem}\n")
        return web.Response(text=f"{health.describe()}\n")

    return answer
