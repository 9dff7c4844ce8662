"""What `kubectl lwm open` does: a served model's page in the browser, through a port of this machine."""

import http.client
import shutil
import subprocess
import time
import webbrowser

from lwm_cli.errors import PlaceError
from lwm_cli.places import cluster_words

START_SECONDS = 20.0
"""How long kubectl has to forward the port and the server behind it to answer."""
HTTP_PORT = "http"
"""The name of the Service's port, as in examples/serve.yaml."""


def open_server(service: str, port: int, browser: bool, namespace: str | None, context: str | None) -> int:
    """Forward `port` of this machine to the Service until Ctrl-C or until kubectl ends. Returns the exit code.

    `browser`: open the page, too. Raises PlaceError where kubectl fails or the server does not answer.
    """
    if shutil.which("kubectl") is None:
        raise PlaceError("kubectl is not installed: it forwards the port")
    command = ["kubectl", "port-forward", f"service/{service}", f"{port}:{HTTP_PORT}", *cluster_words(namespace, context)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_it_answers(process, service, port)
            address = f"http://127.0.0.1:{port}/"
            print(f"{address} is service/{service}, until Ctrl-C", flush=True)
            if browser:
                webbrowser.open(address)
            process.wait()
            raise PlaceError(_error_of(process, service))
        except KeyboardInterrupt:
            return 0
        finally:
            process.terminate()


def _wait_until_it_answers(process: "subprocess.Popen[str]", service: str, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(port):
        if process.poll() is not None:
            raise PlaceError(_error_of(process, service))
        if time.monotonic() > deadline:
            raise PlaceError(f"service/{service} does not answer on port {HTTP_PORT}: it may still load the model, kubectl get pods tells")
        time.sleep(0.1)
    if process.poll() is not None:  # something else answers on that port
        raise PlaceError(_error_of(process, service))


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _error_of(process: "subprocess.Popen[str]", service: str) -> str:
    text = process.stderr.read().strip() if process.stderr is not None else ""
    return text or f"kubectl port-forward service/{service} ended with {process.returncode}"
