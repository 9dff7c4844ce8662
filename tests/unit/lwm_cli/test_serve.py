"""`lwm serve` as a process with a small model, and what is refused before a checkpoint is loaded."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from lwm_cli.__main__ import main
from lwm_trainer.config import ExitCode, Model
from support.tiny_models import write_random_model

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server on a free port, whose first line says that it listens."""
    words = [*write_random_model(tmp_path, MODEL, 4096), "--port", "0", "--model-name", "tiny", "--chunk", "8", "--grace", "1"]
    environment = {"JAX_PLATFORMS": "cpu", "LWM_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for setting in ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"):
        environment[setting.upper()] = str(getattr(jax.config, setting))
    command = [sys.executable, "-m", "lwm_cli.serve", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as started:
        yield started
        started.kill()


def test_sigterm_ends_the_answer_that_is_being_given_with_an_error_and_the_process_with_0(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert "tiny, 4096 tokens of context" in line
    connection = http.client.HTTPConnection(line.split("http://")[1].removesuffix("/v1\n"), timeout=60)
    # More tokens than a second has room for.
    body = {"model": "tiny", "messages": [{"role": "user", "content": "secret"}], "stream": True, "max_tokens": 4000, "n": 16}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    while b'"content": ""' not in response.readline():
        pass
    process.send_signal(signal.SIGTERM)
    events = response.read().decode().strip().split("\n\n")
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "server_stopping"
    connection.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    assert "secret" not in process.stdout.read()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--host", "0.0.0.0"], 2, "set LWM_API_KEY, or give --api-key-file FILE"),
        (["--api-key-file", "/none"], ExitCode.BAD_ARGUMENTS, "--api-key-file /none: cannot be read: No such file"),
        (["--api-key-file", "two.txt"], ExitCode.BAD_ARGUMENTS, "a key is one line"),
        (["--temperature", "-1"], ExitCode.BAD_ARGUMENTS, "text.temperature is -1.0"),
        (["--max-tokens", "0"], ExitCode.BAD_ARGUMENTS, "max_tokens is 0"),
    ],
)
def test_wrong_options_are_refused_before_the_checkpoint_is_read(
    words: list[str], code: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LWM_API_KEY", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    Path("two.txt").write_text("two words")
    assert main(["serve", "none", *words]) == code
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "none", "--port", str(port)]) == ExitCode.BAD_ARGUMENTS
    assert f"--port {port}: cannot be opened: Address already in use" in capsys.readouterr().err
