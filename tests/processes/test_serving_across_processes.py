"""`lwm serve` over two hosts, which speak through Gloo: requests that join and leave are answered as alone, and both end together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.config import ExitCode, Model
from processes.gang import free_port
from processes.patches import a_step_of_serving_fails_on_host_0
from support import compiled_programs
from support.tiny_models import write_random_model

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264)


@contextmanager
def serving_hosts(folder: Path, port: int, patch: str = "") -> Iterator[list[subprocess.Popen[str]]]:
    """Both hosts, once host 0 listens. `patch`: a function of `processes.patches` that runs first."""
    words = write_random_model(folder, MODEL, 256)
    options = ["--hosts=2", f"--coordinator=127.0.0.1:{free_port()}", "--platform=cpu", "--devices-per-host=2", "--rows=2"]
    options += ["--chunk=32", "--draft-tokens=3"]
    first = f"from processes.patches import {patch}; {patch}(); " if patch else ""
    main = f"{first}import runpy; runpy.run_module('lwm_cli.serve', run_name='__main__')"
    command = [sys.executable, "-c", main, *words, f"--port={port}", *options]
    processes = []
    for number in range(2):
        environment = os.environ | {"PJRT_NPROC": "2", "LWM_CACHE": str(compiled_programs.FOLDER), "JOB_COMPLETION_INDEX": str(number)}
        with (folder / f"out-{number}").open("w") as out:
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=out, text=True))
    try:
        assert processes[0].stdout is not None
        listens = any("256 tokens of context" in line for line in processes[0].stdout)
        assert listens, [(folder / f"out-{number}").read_text() for number in range(2)]
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def ask(port: int, text: str) -> str:
    """The text of an answer."""
    with closing(begin(port, text, max_tokens=8)) as connection:
        content: str = json.load(connection.getresponse())["choices"][0]["message"]["content"]
        return content


def begin(port: int, text: str, **settings: Any) -> HTTPConnection:
    """A connection whose request is being answered."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    body = {"model": "1", "messages": [{"role": "user", "content": text}], "seed": 3, **settings}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    return connection


def test_requests_that_join_and_leave_over_two_hosts_are_answered_as_alone(tmp_path: Path) -> None:
    port = free_port()
    texts = ["a" * 40, "b", "a" * 40 + "c", "d" * 20]
    with serving_hosts(tmp_path, port) as processes:
        alone = [ask(port, text) for text in texts]
        with ThreadPoolExecutor() as pool, closing(begin(port, "long", max_tokens=100, stream=True)) as leaver:
            leaver.getresponse().readline()
            together = [pool.submit(ask, port, text) for text in texts]
            leaver.close()  # gives its row back
            assert [each.result() for each in together] == alone
        assert len(set(alone)) == len(texts)
        for process in reversed(processes):  # a follower waits for host 0
            process.send_signal(signal.SIGTERM)
        assert [process.wait(60) for process in processes] == [0, 0], [(tmp_path / f"out-{number}").read_text() for number in range(2)]


def test_a_step_that_fails_on_host_0_alone_ends_both_with_an_error(tmp_path: Path) -> None:
    """Both answered for ever before: host 1 stood in the program of a step that host 0 never entered."""
    port = free_port()
    with serving_hosts(tmp_path, port, a_step_of_serving_fails_on_host_0.__name__) as processes:
        with closing(begin(port, "hello", max_tokens=8)) as connection, pytest.raises((ConnectionError, HTTPException)):
            connection.getresponse()
        assert [process.wait(60) for process in processes] == [ExitCode.UNCAUGHT_EXCEPTION, -signal.SIGABRT]
        report = (tmp_path / "out-0").read_text()
        assert "lwm serve: MemoryError in advance" in report
        assert "a step failed on host 0, and host 1 has not answered within 2 s: the server ends" in report
