"""Servers of this machine with one bad manner each, for what must be told about them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Denies(BaseHTTPRequestHandler):
    """Google Cloud Storage's answer to an account without rights."""

    def _deny(self) -> None:
        with suppress(ConnectionError):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            denial = {"error": {"code": 403, "message": "the account does not have storage.objects.get access"}}
            body = json.dumps(denial).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _deny

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def denying(address: str) -> Iterator[int]:
    """The port of an object store that answers 403 to everything."""
    server = ThreadingHTTPServer((address, 0), _Denies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@contextmanager
def silent(address: str) -> Iterator[int]:
    """The port of a server that lets everybody in (as far as its backlog goes) and never says a word."""
    with socket.create_server((address, 0), backlog=64) as server:
        yield int(server.getsockname()[1])
