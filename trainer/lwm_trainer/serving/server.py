"""The process around the application: it listens, and on SIGTERM or SIGINT finishes what it has begun and ends with 0."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.serving.engine_thread import EngineThread

LAST_SECONDS = 5
"""Seconds in which cancelled requests get their errors."""


class Server(uvicorn.Server):
    """A server whose signals `serve` handles: uvicorn's own way ends the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises WrongArgumentError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        dualstack = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, dualstack_ipv6=dualstack)
    except OSError as error:
        raise WrongArgumentError(f"--host {host} --port {port}: cannot be opened: {error.strerror}: give others") from error


def make_server(application: Starlette, grace: float) -> Server:
    """uvicorn without a log of requests."""
    return Server(
        uvicorn.Config(
            application,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(grace) + LAST_SECONDS,
        )
    )


def serve(application: Starlette, engine: EngineThread, listening: socket.socket, grace: float) -> None:
    """Answer requests until a signal comes; `grace`: seconds for the answers that have begun."""
    asyncio.run(_serve(make_server(application, grace), engine, listening, grace))
    if not engine.join(LAST_SECONDS):
        os._exit(0)  # in the middle of a step that takes longer: ending the interpreter below it would abort


async def _serve(server: Server, engine: EngineThread, listening: socket.socket, grace: float) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if server.should_exit:  # the second signal
            engine.cancel_all()
            return
        server.should_exit = True
        engine.stop()
        loop.call_later(grace, engine.cancel_all)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    engine.start()
    await server.serve([listening])
    engine.stop()
