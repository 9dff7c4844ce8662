"""The official client against a real server with a small model."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from lwm_trainer.sampling.running_batch import Advance, RunningBatch
from lwm_trainer.serving import chat_response
from lwm_trainer.serving.application import Service
from support.served_model import CONTEXT, KEY, NAME, make_service, served, tiny_generator

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def service() -> Service:
    return make_service(tiny_generator(), queue_length=2)


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    with served(service) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def ask(client: openai.OpenAI) -> Callable[..., Any]:
    """An answer to some messages."""
    return lambda messages=HELLO, **settings: client.chat.completions.create(model=NAME, messages=messages, **settings)


def post(address: str, body: bytes | str, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send a body as it is; returns the status and the answer."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
    connection.request("POST", "/v1/chat/completions", body, sent)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [NAME]


def test_an_answer_and_its_stream_are_the_same_for_the_same_seed(ask: Callable[..., Any]) -> None:
    whole = ask(seed=3, max_tokens=12)
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 12
    chunks = list(ask(seed=3, max_completion_tokens=12, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-2:] == [None, "length"]
    assert ask(seed=4, max_tokens=12).choices[0].message.content != whole.choices[0].message.content


def test_the_next_turn_computes_only_what_is_new_in_it(ask: Callable[..., Any]) -> None:
    first = ask(seed=1, max_tokens=20)
    answer = first.choices[0].message
    second = ask([*HELLO, answer.model_dump(), {"role": "user", "content": "and?"}], max_tokens=4)
    # All of the first turn but the last token of its answer, which was not fed to the model.
    assert second.usage.prompt_tokens_details.cached_tokens == first.usage.total_tokens - 1


def test_several_answers_have_seeds_one_after_the_other(ask: Callable[..., Any]) -> None:
    both = ask(seed=5, n=2, max_tokens=10)
    assert [choice.index for choice in both.choices] == [0, 1]
    for choice, seed in zip(both.choices, (5, 6), strict=True):
        assert choice.message.content == ask(seed=seed, max_tokens=10).choices[0].message.content
    assert both.usage.completion_tokens == 20


def test_a_stop_text_ends_an_answer_and_is_no_part_of_it(ask: Callable[..., Any]) -> None:
    text = ask(seed=7, max_tokens=40).choices[0].message.content
    stop = text[5:7]
    choice = ask(seed=7, max_tokens=40, stop=[stop]).choices[0]
    assert choice.message.content == text[: text.index(stop)]
    assert choice.finish_reason == "stop"


def test_log_probabilities_are_those_of_the_tokens_and_of_the_most_probable_ones(ask: Callable[..., Any]) -> None:
    choice = ask(temperature=0, max_tokens=6, logprobs=True, top_logprobs=3).choices[0]
    assert len(choice.logprobs.content) == 6
    for token in choice.logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob == token.logprob  # temperature 0 takes the most probable one
        assert token.logprob <= 0
    chunks = list(ask(temperature=0, max_tokens=6, logprobs=True, top_logprobs=3, stream=True))
    streamed = [each for chunk in chunks if chunk.choices[0].logprobs for each in chunk.choices[0].logprobs.content]
    assert streamed == choice.logprobs.content


@pytest.mark.parametrize(
    ("settings", "param", "words"),
    [
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 17}, "n", "less than or equal to 16"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"stop": ["a", ""]}, "stop", "not empty"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens", "differ"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "0 only"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "[] only"),
        ({"response_format": {"type": "json_object"}}, "response_format", "only"),
        ({"extra_body": {"beam_width": 4}}, "beam_width", "does not know it"),
        ({"messages": [{"role": "assistant", "content": "hm"}]}, "messages[0].role", "the user's turn"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0].content[0]", "'text'"),
        ({"messages": []}, "messages", "at least 1"),
    ],
)
def test_what_the_server_cannot_do_is_refused_by_name(ask: Callable[..., Any], settings: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(**settings)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)
    assert words in str(caught.value)


def test_a_prompt_that_is_too_long_is_refused_before_anything_is_computed(ask: Callable[..., Any]) -> None:
    before = ask(max_tokens=1)  # what the cache holds is not touched by the others
    for settings in ({"messages": [{"role": "user", "content": "a" * CONTEXT}]}, {"max_tokens": CONTEXT}):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(**settings)
        assert caught.value.code == "context_length_exceeded"
        assert f"has room for {CONTEXT}" in str(caught.value)
    assert ask(max_tokens=1).usage.prompt_tokens_details.cached_tokens == before.usage.prompt_tokens - 1


def test_another_model_another_key_and_another_path_are_refused(client: openai.OpenAI, address: str) -> None:
    with pytest.raises(openai.NotFoundError, match="this server has 'tiny'"):
        client.chat.completions.create(model="gpt", messages=HELLO)
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings does not exist"):
        client.embeddings.create(model=NAME, input="a")
    for key in ("another", "a-key-and-more"):
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key=key).models.list()


def test_bodies_that_are_no_json_or_too_large_are_refused(address: str) -> None:
    for body, headers, status, code in (
        ("{", {}, 400, "invalid_json"),
        ("[]", {}, 400, "invalid_json"),
        ("[" * 100_000, {}, 400, "invalid_json"),
        ("{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ("{}" + " " * 100_000, {}, 413, "body_too_large"),
        ('{"model": "tiny", "temperature": NaN, "messages": [{"role": "user", "content": "a"}]}', {}, 400, "invalid_value"),
    ):
        answered, answer = post(address, body, **headers)
        assert (answered, answer["error"]["code"]) == (status, code)


def test_a_full_queue_says_when_to_come_again_and_clients_that_leave_free_it(ask: Callable[..., Any], service: Service) -> None:
    long = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 400, "n": 16}
    streams = []
    try:
        streams.append(ask(stream=True, **long))
        next(iter(streams[0]))
        wait_until(lambda: service.engine.queue == 0)
        streams += [ask(stream=True, **long) for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as caught:
            ask()
        assert int(caught.value.response.headers["retry-after"]) >= 1
        assert caught.value.code == "queue_full"
    finally:
        for stream in streams:
            stream.close()
    wait_until(lambda: service.engine.queue == 0)
    begun = time.monotonic()
    assert ask(max_tokens=2).usage.completion_tokens == 2
    assert time.monotonic() - begun < 10  # the rest of 48 long answers was not computed


def get(address: str, path: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of what needs no key."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.getheaders()), text


def test_health_is_open_and_says_whether_the_engine_answers(address: str) -> None:
    assert get(address, "/health")[::2] == (200, '{"status":"ok"}')


def test_the_page_comes_with_headers_that_let_it_load_nothing_else(address: str) -> None:
    for path, kind in (("/", "text/html"), ("/page/talk.js", "text/javascript"), ("/page/style.css", "text/css")):
        status, headers, _ = get(address, path)
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert headers["content-security-policy"].startswith("default-src 'none'")
    assert get(address, "/page/..%2Fserver.py")[0] == 404
    assert get(address, "/page/server.py")[0] == 404


def test_what_fails_inside_is_a_500_and_the_log_has_nothing_of_the_request(
    ask: Callable[..., Any], service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("hello")

    with monkeypatch.context() as patch:
        patch.setattr(RunningBatch, "join", fail)
        with pytest.raises(openai.InternalServerError, match="its log says where"):
            ask()
        with pytest.raises(openai.APIError, match="its log says where"):
            list(ask(stream=True))
    output = capsys.readouterr()
    assert "RuntimeError in fail" in output.err
    assert "hello" not in output.err + output.out
    assert ask(max_tokens=2).usage.completion_tokens == 2


def test_metrics_count_tokens_answers_and_requests_and_quote_none_of_them(ask: Callable[..., Any], address: str) -> None:
    def values() -> dict[str, float]:
        lines = [line.rpartition(" ") for line in get(address, "/metrics")[2].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    before = values()
    answer = ask([{"role": "user", "content": "secret"}], max_tokens=5, stop="secret")
    after = values()
    usage = answer.usage
    counts = {
        'lwm_serve_tokens_total{kind="prompt"}': usage.prompt_tokens,
        'lwm_serve_tokens_total{kind="cached"}': usage.prompt_tokens_details.cached_tokens,
        'lwm_serve_tokens_total{kind="answer"}': 5,
        'lwm_serve_answers_total{end="length"}': 1,
        'lwm_serve_requests_total{route="/v1/chat/completions",status="200"}': 1,
        "lwm_serve_time_to_first_token_seconds_count": 1,
        "lwm_serve_time_per_token_seconds_count": 4,
        "lwm_serve_steps_total": 4,
    }
    assert {name: after[name] - before[name] for name in counts} == counts
    assert after["lwm_serve_queue_length"] == after["lwm_serve_running_requests"] == 0
    assert after["lwm_serve_cache_use_ratio"] == (usage.total_tokens - 1) / CONTEXT
    assert "secret" not in get(address, "/metrics")[2]


def test_a_stream_says_that_it_lives_while_a_prompt_is_long(ask: Callable[..., Any], address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    advance, calls = RunningBatch.advance, iter(range(100))

    def slowly(batch: RunningBatch) -> Advance:
        if next(calls) == 0:
            return Advance([], (1, 4))
        time.sleep(0.1)
        return advance(batch)

    monkeypatch.setattr(RunningBatch, "advance", slowly)
    monkeypatch.setattr(chat_response, "PATIENCE", 0.05)
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    body = json.dumps({"model": NAME, "messages": HELLO, "max_tokens": 2, "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    events = connection.getresponse().read().decode().split("\n\n")
    connection.close()
    assert ": prefill 25 %" in events
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = list(ask(max_tokens=2, stream=True))  # the client reads over them
    assert chunks[-1].choices[0].finish_reason is not None
