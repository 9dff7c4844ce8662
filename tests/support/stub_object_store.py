"""An object store on this machine that gives every request the same answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Store(ThreadingHTTPServer):
    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = status
        self.requests: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    server: Store

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {self.path.split('?')[0]}")
        fine = {"name": "x", "bucket": "lwm", "generation": "1", "size": "0"}
        body = json.dumps(fine if self.server.status < 300 else {"error": {"code": self.server.status, "message": "no"}}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def object_store(monkeypatch: pytest.MonkeyPatch, status: int) -> Iterator[Store]:
    """The store of this process for as long as the context lasts."""
    with Store(status) as store:
        threading.Thread(target=store.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{store.server_port}")
        yield store
        store.shutdown()
