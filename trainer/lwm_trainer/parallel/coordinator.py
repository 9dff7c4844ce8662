"""The coordinator, which process 0 of a gang runs: its port, and how the other processes reach it.

JAX connects by gRPC, retries in silence, and aborts the process after the timeout without a word in the termination message. So both sides
are checked here first.
"""

import os
import socket
import time

from lwm_trainer.config import ExitCode
from lwm_trainer.config.listening_socket import open_port

PROXY_VARIABLE = "grpc_proxy"
"""gRPC reads it before `https_proxy` and `http_proxy`; if it is empty, no proxy is used."""

_CONNECT_SECONDS, _RETRY_SECONDS = 5.0, 1.0


class CoordinatorUnreachableError(Exception):
    """Process 0 did not answer: it died, never started, or cannot be reached."""

    code = ExitCode.PEER_LOST


class CoordinatorPortTakenError(Exception):
    """Another process on this host listens on the coordinator's port. The next attempt may have another node or port."""

    code = ExitCode.TRANSIENT


def bypass_proxies() -> None:
    """Keep the gang's gRPC connections off every proxy, whatever the environment says. Object storage, which is HTTP, still uses proxies.

    Called before the first connection. A host's name in the gang is in nobody's `no_proxy`.
    """
    os.environ[PROXY_VARIABLE] = ""


def require_free_port(coordinator: str) -> None:
    """Check, on process 0, that nobody listens on the port of `coordinator` (`host:port`). Raises CoordinatorPortTakenError.

    On the host network two gangs share a node's ports, and gRPC would share the listening socket with the other gang.
    """
    port = int(coordinator.rpartition(":")[2])
    try:
        open_port(port).close()
    except OSError as error:
        raise CoordinatorPortTakenError(
            f"port {port} of the coordinator cannot be opened on this host ({error.strerror}): another process has it: look for it on the "
            f"node (ss -ltnp), or wait for the next attempt"
        ) from error


def wait_for_coordinator(coordinator: str, seconds: float) -> None:
    """Wait until `coordinator` (`host:port`) accepts a connection. Raises CoordinatorUnreachableError after `seconds`."""
    host, _, port = coordinator.rpartition(":")
    begin = time.monotonic()
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
            return
        except OSError as error:
            reason, hint = _explain(error)
        if (waited := time.monotonic() - begin) >= seconds:
            raise CoordinatorUnreachableError(
                f"host 0 did not answer at its coordinator's address {coordinator} for {waited:.0f} s ({reason}): check that host 0 is "
                f"running, {hint}"
            )
        time.sleep(min(_RETRY_SECONDS, max(0.0, seconds - waited)))


def _explain(error: OSError) -> tuple[str, str]:
    """The error in words, and what to check first."""
    reason = error.strerror or str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return reason, "and that the cluster's DNS knows the training's headless Service"
    if isinstance(error, ConnectionRefusedError):
        return reason, "and what its log says: nothing listens there"
    return reason, "and that no NetworkPolicy or firewall keeps the training's pods from each other"
