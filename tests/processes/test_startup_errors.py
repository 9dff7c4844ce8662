"""What is wrong before anything has begun: said within a second or two, with its own code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lwm_trainer.config import ExitCode, TerminationMessage
from processes.gang import a_run, free_port, patched, write_tokenizer
from processes.patches import no_batches, secret_in_an_exception


def start(
    folder: Path, content: str | None, index: str = "0", command: list[str] | None = None, **variables: str
) -> tuple[int, TerminationMessage, str]:
    path = folder / "run.json"
    if content is not None:
        path.write_text(content)
    environment = os.environ | {
        "LWM_CONFIG": str(path),
        "LWM_TERMINATION_PATH": str(folder / "last"),
        "JOB_COMPLETION_INDEX": index,
        **variables,
    }
    command = command or [sys.executable, "-m", "lwm_trainer"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, TerminationMessage.model_validate_json((folder / "last").read_text()), done.stderr


@pytest.mark.parametrize(
    ("content", "index", "code", "reason", "words"),
    [
        (None, "0", ExitCode.BAD_ARGUMENTS, "BadArguments", "run.json: No such file or directory: mount the run config there"),
        ("{not json", "0", ExitCode.BAD_CONFIG, "BadConfig", "run config: Invalid JSON: "),
        ("{}", "0", ExitCode.BAD_CONFIG, "BadConfig", "run config: training: Field required"),
        ('{"version": 1}', "0", ExitCode.BAD_CONFIG, "ContractMismatch", "run config: the operator has contract version 1, this trainer"),
        ("fine", "2", ExitCode.BAD_ARGUMENTS, "BadArguments", "JOB_COMPLETION_INDEX='2': set it to this host's index, 0 to 1"),
    ],
)
def test_a_config_or_an_index_that_cannot_be(
    tmp_path: Path, content: str | None, index: str, code: ExitCode, reason: str, words: str
) -> None:
    if content == "fine":
        gang = a_run(tmp_path)["gang"] | {"coordinator": "127.0.0.1:1"}
        content = json.dumps(a_run(tmp_path, gang=gang))
    left, last, _ = start(tmp_path, content, index)
    assert (left, last.code, last.reason) == (code, code, reason)
    assert words in last.message


def whole(folder: Path) -> str:
    """A run config of one host that nothing is wrong with."""
    gang = {"job": "j", "service": "s", "hosts": 1, "devicesPerHost": 4, "platform": "cpu", "coordinator": f"127.0.0.1:{free_port()}"}
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("word")
    write_tokenizer(folder / "tokenizer.json")
    return json.dumps(a_run(folder, gang=gang))


def test_an_exception_that_nobody_expected_leaves_its_line_and_its_place(tmp_path: Path) -> None:
    left, last, stderr = start(tmp_path, whole(tmp_path), command=patched(no_batches))
    assert (left, last.reason) == (ExitCode.UNCAUGHT_EXCEPTION, "UncaughtException")
    assert last.message.startswith("TypeError: 'NoneType' object is not callable at lwm_trainer/train.py:")
    assert last.message.endswith(" _load")
    assert "Traceback (most recent call last)" in stderr


def test_no_secrets_value_is_in_what_an_exception_leaves(tmp_path: Path) -> None:
    """Libraries do put the key into the sentence with which it was refused."""
    code, last, stderr = start(
        tmp_path, whole(tmp_path), command=patched(secret_in_an_exception), KEY="correct-horse-battery", LWM_HIDDEN_VARIABLES="KEY"
    )
    assert (code, last.message.partition(" at ")[0]) == (ExitCode.UNCAUGHT_EXCEPTION, "KeyError: '…'")
    assert "Traceback (most recent call last)" in stderr
    assert "correct-horse-battery" not in stderr
