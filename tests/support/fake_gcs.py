"""An object store in memory, on this machine: as much of Google Cloud Storage's API as reading, listing and writing small files take."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest


class Bucket(ThreadingHTTPServer):
    """An object store with the bucket `lwm`; the bucket `secret` refuses access, others do not exist."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.objects = dict(objects)
        self.requests: list[str] = []

    def about(self, name: str) -> dict[str, str]:
        content = self.objects[name]
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        generation = str(int(hashlib.sha256(content).hexdigest()[:12], 16))
        unreachable = "http://unreachable.invalid/"
        return {
            "name": name,
            "bucket": "lwm",
            "size": str(len(content)),
            "md5Hash": md5,
            "generation": generation,
            "mediaLink": unreachable,
        }


class _Answer(BaseHTTPRequestHandler):
    server: Bucket

    def do_GET(self) -> None:
        url, query = self._asked()
        bucket, _, name = url.partition("/b/")[2].partition("/o")
        if bucket != "lwm":
            return self._refuse(403 if bucket == "secret" else 404)
        if not name:
            items = [self.server.about(each) for each in list(self.server.objects) if each.startswith(query.get("prefix", ""))]
            return self._answer(200, json.dumps({"items": items}).encode())
        content = self.server.objects.get(unquote(name[1:]))
        if content is None:
            return self._refuse(404)
        if query.get("alt") != "media":
            return self._answer(200, json.dumps(self.server.about(unquote(name[1:]))).encode())
        if query.get("ifGenerationMatch", "") not in ("", self.server.about(unquote(name[1:]))["generation"]):
            return self._refuse(412)
        if byte_range := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin, end = int(byte_range[1]), min(int(byte_range[2] or len(content) - 1), len(content) - 1)
            return self._answer(206, content[begin : end + 1], {"Content-Range": f"bytes {begin}-{end}/{len(content)}"})
        return self._answer(200, content)

    def do_POST(self) -> None:
        url, _ = self._asked()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bucket = url.partition("/b/")[2].partition("/o")[0]
        if bucket != "lwm":
            return self._refuse(403 if bucket == "secret" else 404)
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])
        assert boundary is not None
        _, about, content, _ = body.split(b"--" + boundary[1].encode())
        name = json.loads(about.partition(b"\r\n\r\n")[2])["name"]
        self.server.objects[name] = content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        return self._answer(200, json.dumps(self.server.about(name)).encode())

    def do_DELETE(self) -> None:
        url, _ = self._asked()
        content = self.server.objects.pop(unquote(url.partition("/b/lwm/o/")[2]), None)
        return self._refuse(404) if content is None else self._answer(204, b"")

    def _asked(self) -> tuple[str, dict[str, str]]:
        url = urlsplit(self.path)
        self.server.requests.append(f"{self.command} {url.path}")
        return url.path, {name: values[0] for name, values in parse_qs(url.query).items()}

    def _refuse(self, code: int) -> None:
        self._answer(code, b'{"error": {"message": "no"}}')

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def a_bucket(monkeypatch: pytest.MonkeyPatch, objects: dict[str, bytes]) -> Iterator[Bucket]:
    """The object store of this process for as long as the context lasts, with `objects` in bucket `lwm`."""
    with Bucket(objects) as bucket:
        threading.Thread(target=bucket.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{bucket.server_port}")
        yield bucket
        bucket.shutdown()
