"""One port for both families, and IPv4 alone where there is no IPv6."""

import errno
import socket

import pytest

from lwm_trainer.config.listening_socket import open_port


@pytest.mark.parametrize("code", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_without_ipv6_it_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    create = socket.create_server

    def refuse_ipv6(address: tuple[str, int], *, family: int = socket.AF_INET, **more: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(code, "no IPv6 here")
        return create(address, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "create_server", refuse_ipv6)
    with open_port(0) as listening:
        assert listening.family == socket.AF_INET


def test_a_taken_port_is_an_error() -> None:
    with open_port(0) as taken, pytest.raises(OSError, match="in use"):
        open_port(taken.getsockname()[1])
