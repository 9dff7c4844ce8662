"""The coordinator's port, and how a process reports that it cannot reach it."""

import os
import socket
from collections.abc import Iterator

import pytest

from lwm_trainer.config import ExitCode
from lwm_trainer.parallel.coordinator import (
    CoordinatorPortTakenError,
    CoordinatorUnreachableError,
    bypass_proxies,
    require_free_port,
    wait_for_coordinator,
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens as gRPC does: the port may be shared."""
    with socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(("", 0))
        opened.listen()
        yield opened


def test_a_port_on_which_another_gang_listens_is_an_error_with_its_number(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(CoordinatorPortTakenError, match=rf"port {port} of the coordinator cannot be opened .*: another process has it"):
        require_free_port(f"bible-s1-a1-0.bible:{port}")
    listener.close()
    require_free_port(f"bible-s1-a1-0.bible:{port}")


def test_a_coordinator_that_listens_is_reached_at_once(listener: socket.socket) -> None:
    wait_for_coordinator(f"localhost:{listener.getsockname()[1]}", 0)


def test_a_coordinator_that_does_not_answer_is_named_with_what_to_check(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(CoordinatorUnreachableError) as raised:
        wait_for_coordinator(f"localhost:{port}", 0.01)
    message = str(raised.value)
    assert message.startswith(
        f"host 0 did not answer at its coordinator's address localhost:{port} for 0 s (Connection refused): check that"
    )
    assert message.endswith("what its log says: nothing listens there")
    assert raised.value.code == ExitCode.PEER_LOST


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "DNS knows the training's headless Service"),
        (TimeoutError("timed out"), "(timed out): check that host 0 is running, and that no NetworkPolicy or firewall"),
    ],
)
def test_the_message_follows_from_what_failed(error: OSError, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(CoordinatorUnreachableError) as raised:
        wait_for_coordinator("bible-s1-a1-0.bible:8476", 0)
    assert words in str(raised.value)


def test_grpc_is_told_to_use_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("grpc_proxy", "http://proxy:3128")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    bypass_proxies()
    assert [os.environ[name] for name in ("grpc_proxy", "https_proxy")] == ["", "http://proxy:3128"]
