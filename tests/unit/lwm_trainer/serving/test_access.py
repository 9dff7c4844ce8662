"""Who may use the server."""

from pathlib import Path

import pytest
from starlette.requests import Request

from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.serving.access import is_local, read_key, require_key
from lwm_trainer.serving.errors import ApiError


def request(**headers: str) -> Request:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "scheme": "http", "path": "/", "server": ("127.0.0.1", 8000), "headers": pairs})


def test_the_key_may_come_from_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abc\n")
    assert read_key(tmp_path / "key", "other") == "abc"
    assert read_key(None, "other") == "other"
    assert read_key(None, None) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"two\nlines", "schlüssel".encode(), b"\xff"])
def test_what_no_header_can_hold_is_no_key(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(WrongArgumentError, match="key"):
        read_key(tmp_path / "key", None)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer ABC", "Bearer abc d", "Basic abc", "Bearer \xe4"])
def test_a_request_without_the_key_is_refused(header: str) -> None:
    with pytest.raises(ApiError, match="Authorization: Bearer KEY") as caught:
        require_key(request(authorization=header), "abc")
    assert (caught.value.status, caught.value.headers) == (401, {"WWW-Authenticate": "Bearer"})


def test_a_request_with_the_key_may_be_sent_to_any_name() -> None:
    require_key(request(authorization="bearer abc", host="example.com"), "abc")


def test_without_a_key_only_names_of_this_machine_are_answered() -> None:
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
        require_key(request(host=host), None)
    for host in ("example.com:8000", "127.0.0.1.example.com", "192.168.0.1"):
        with pytest.raises(ApiError, match="answers to localhost only"):
            require_key(request(host=host), None)
    assert not is_local("0.0.0.0")
