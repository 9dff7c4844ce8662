"""A generator behind an OpenAI-compatible server: what it asks, what it makes of replies, and what it says of a server that fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from urllib3.util import Retry

from lwm_trainer.config import Endpoint
from lwm_trainer.data.errors import DataError
from lwm_trainer.questions import endpoint as module
from lwm_trainer.questions.endpoint import EndpointGenerator, EndpointUnavailableError
from lwm_trainer.questions.pair import Pair

CHUNK = "The ship sailed in 1843."
PAIR = Pair("In which year did the ship sail?", "1843")


class Server:
    """Answers requests with `replies`, one after the other: a text, or a status."""

    def __init__(self) -> None:
        self.replies: list[str | int] = []
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append((self.path, self.headers["Authorization"], body))
                reply = server.replies.pop(0)
                content = b"secret body" if isinstance(reply, int) else json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
                self.send_response(reply if isinstance(reply, int) else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "_RETRIES", Retry(total=2, backoff_factor=0, status_forcelist=(503,), allowed_methods=("POST",)))
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_it_asks_for_json_with_the_key_of_its_variable_and_retries(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QA_KEY", "s3cret")
    server.replies = [503, 'Sure: {"question": " In which year did the ship sail? ", "answer": "1843"}']
    assert EndpointGenerator(Endpoint(url=server.url, model="m", key_variable="QA_KEY")).write(CHUNK) == PAIR
    (_, _, _), (path, key, body) = server.requests
    assert (path, key) == ("/v1/chat/completions", "Bearer s3cret")
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 0, 0)
    assert body["messages"][0]["content"].endswith(CHUNK)


@pytest.mark.parametrize("reply", ["no JSON", "{broken}", '{"question": 1, "answer": "a"}', '["a"]', '{"answer": "a"}'])
def test_a_reply_without_a_pair_is_none(server: Server, reply: str) -> None:
    server.replies = [reply]
    assert EndpointGenerator(Endpoint(url=server.url, model="m")).write(CHUNK) is None


@pytest.mark.parametrize(
    ("replies", "doubt"),
    [(["It was 1843."], "closedBook"), (["unknown", "in 1844"], "disagreeing"), (["unknown", "1843."], None)],
)
def test_pairs_are_answered_without_the_chunk_and_with_it(server: Server, replies: list[str | int], doubt: str | None) -> None:
    server.replies = replies.copy()
    assert EndpointGenerator(Endpoint(url=server.url, model="m")).doubts(CHUNK, PAIR) == doubt
    contents = [body["messages"][0]["content"] for _, _, body in server.requests]
    assert [CHUNK in content for content in contents] == [False, True][: len(replies)]


def test_errors_name_the_address_and_nothing_of_what_was_asked(server: Server) -> None:
    generator = EndpointGenerator(Endpoint(url=server.url, model="m"))
    for status, fix in ((401, "is the key right?"), (404, "are url and model right")):
        server.replies = [status]
        with pytest.raises(DataError, match=f"{server.url}/chat/completions answers with status {status}: {fix}") as raised:
            generator.write(CHUNK)
        assert "secret body" not in str(raised.value)
        assert CHUNK not in str(raised.value)
    server.replies = [503, 503, 503]
    with pytest.raises(EndpointUnavailableError, match="does not answer"):
        generator.write(CHUNK)
    with pytest.raises(DataError, match=r"qa.endpoint.keyVariable: the variable QA_NONE is not set: set it in podTemplate.env"):
        EndpointGenerator(Endpoint(url=server.url, model="m", key_variable="QA_NONE"))
