"""What `kubectl lwm open` does: a served model's page in the browser, through a port of this machine."""

import http.client
import shutil
import socket
import subprocess
import tempfile
import time
import webbrowser
from typing import IO

from lwm_cli.errors import PlaceError
from lwm_cli.places import cluster_words

START_SECONDS = 20.0
"""How long kubectl has to forward the port and the server behind it to answer."""
HTTP_PORT = "http"
"""The name of the Service's port, as in examples/serve.yaml."""


def open_server(service: str, port: int, browser: bool, namespace: str | None, context: str | None) -> int:
    """Forward `port` of this machine to the Service until Ctrl-C or until kubectl ends. Returns the exit code.

    `browser`: open the page, too. Raises PlaceError where the port is taken, kubectl fails or the server does not answer.
    """
    if shutil.which("kubectl") is None:
        raise PlaceError("kubectl is not installed: it forwards the port")
    # Where only this address is taken, kubectl forwards ::1 alone, and the page would be that of another server.
    if _is_taken(port):
        raise PlaceError(f"--port {port}: a program of this machine listens there already: give another one")
    command = ["kubectl", "port-forward", f"service/{service}", f"{port}:{HTTP_PORT}", *cluster_words(namespace, context)]
    # A file, because kubectl writes a line for every connection that breaks, and would wait for a pipe that nobody reads.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            _wait_until_it_answers(process, service, port, errors)
            address = f"http://127.0.0.1:{port}/"
            print(f"{address} is service/{service}, until Ctrl-C", flush=True)
            if browser:
                webbrowser.open(address)
            process.wait()
            raise PlaceError(_error_of(process, service, errors))
        except KeyboardInterrupt:
            return 0
        finally:
            process.terminate()


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", service: str, port: int, errors: IO[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(port):
        if process.poll() is not None:
            raise PlaceError(_error_of(process, service, errors))
        if time.monotonic() > deadline:
            raise PlaceError(f"service/{service} does not answer on port {HTTP_PORT}: it may still load the model, kubectl get pods tells")
        time.sleep(0.1)
    if process.poll() is not None:  # something else answers on that port
        raise PlaceError(_error_of(process, service, errors))


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _error_of(process: "subprocess.Popen[bytes]", service: str, errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read().strip() or f"kubectl port-forward service/{service} ended with {process.returncode}"
