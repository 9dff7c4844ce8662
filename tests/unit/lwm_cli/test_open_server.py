"""The port is forwarded while the server is open, with a kubectl that is a script."""

import json
import socket
import sys
import webbrowser
from pathlib import Path

import pytest

from lwm_cli import open_server
from lwm_cli.kubectl_plugin import main

KUBECTL = """#!{python} -IS
import http.server, json, sys
if "service/absent" in sys.argv:
    sys.exit('Error from server (NotFound): services "absent" not found')

class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        json.dump(sys.argv[1:], open({log!r}, "w"))
        self.send_response(200)
        self.end_headers()

print("a connection broke, " * 10_000, file=sys.stderr)  # more than a pipe holds that nobody reads
http.server.HTTPServer(("127.0.0.1", int(sys.argv[3].partition(":")[0])), Server).serve_forever()
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL.format(python=sys.executable, log=str(tmp_path / "log")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return tmp_path / "log"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_page_opens_once_the_server_answers_and_ctrl_c_ends_the_forwarding(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = []

    def interrupted(address: str) -> bool:
        opened.append(address)
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", interrupted)
    port = free_port()
    assert main(["open", "mine", "--port", str(port), "-n", "lab"]) == 0
    assert opened == [f"http://127.0.0.1:{port}/"]
    assert json.loads(log.read_text()) == ["port-forward", "service/mine", f"{port}:http", "--namespace=lab"]
    assert capsys.readouterr().out == f"http://127.0.0.1:{port}/ is service/mine, until Ctrl-C\n"
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


@pytest.mark.usefixtures("log")
def test_what_kubectl_says_of_a_service_that_is_not_there_is_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open", "absent", "--port", str(free_port()), "--no-browser"]) == 1
    assert 'services "absent" not found' in capsys.readouterr().err


@pytest.mark.usefixtures("log")
def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(open_server, "START_SECONDS", 0.0)
    monkeypatch.setattr(open_server, "_is_healthy", lambda port: False)
    assert main(["open", "--port", str(free_port()), "--no-browser"]) == 1
    assert "service/lwm-serve does not answer on port http" in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("log")
def test_a_port_on_which_another_server_listens_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["open", "--port", str(port), "--no-browser"]) == 1
    assert f"--port {port}: a program of this machine listens there already" in capsys.readouterr().err


def test_without_kubectl_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["open"]) == 1
    assert "kubectl is not installed" in capsys.readouterr().err
