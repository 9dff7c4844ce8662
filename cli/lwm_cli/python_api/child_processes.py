"""The processes that the Python API starts: a `lwm train` that goes on by itself, and readers of checkpoints."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from lwm_cli.errors import CommandError, FileError
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.places import Body

OUTPUT = "lwm-train.out"
"""What the command prints, in the training's folder."""
POLL_SECONDS = 0.05


def start_lwm_train(text: str, folder: TrainingFolder, out: Path | None) -> None:
    """Start `lwm train` of a file with this text, and return once it works on the folder or has ended.

    It has a session of its own, so that an interrupted cell of a notebook does not reach it.

    Raises FileError with its sentences where it refuses, and where another one works on the folder.
    """
    if folder.in_use:
        raise FileError(f"{folder.path}: lwm train works on it already: wait for it, or have it suspended first")
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        log = (folder.path / OUTPUT).open("ab")
    except OSError as error:
        raise FileError(f"{folder.path}: {error.strerror}: give a folder that may be written as out") from error
    with log, tempfile.TemporaryDirectory(prefix="lwm-") as temporary:
        begin, file = log.tell(), Path(temporary) / "training.json"
        file.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "lwm_cli", "train", str(file), *([f"--out={out}"] if out is not None else [])]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        threading.Thread(target=process.wait, name="lwm train", daemon=True).start()
        while process.poll() is None and not (folder.exists and folder.in_use):
            time.sleep(POLL_SECONDS)
    if process.returncode == FileError.exit_code:
        with (folder.path / OUTPUT).open(encoding="utf-8", errors="replace") as printed:
            printed.seek(begin)
            raise FileError(printed.read().strip())


def read_rows(what: str, body: Body) -> list[dict[str, Any]]:
    """Rows of `checkpoints` or of the `record` of the training. Raises CommandError where they cannot be read."""
    command = [sys.executable, "-m", "lwm_cli.python_api.read_checkpoints", what]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise CommandError(done.stderr.strip())
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
