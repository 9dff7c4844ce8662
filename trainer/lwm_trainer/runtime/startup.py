"""What a process is started with: a mounted config and variables. Of what makes no sense, the last words say which and the fix."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pydantic

from lwm_trainer.config import CONFIG_PATH, Contract, ExitCode
from lwm_trainer.runtime.exit import leave

C = TypeVar("C", bound=Contract)
T = TypeVar("T")


def mounted(kind: type[C]) -> C:
    """The config of this kind; where there is none, the process ends."""
    path = Path(os.environ.get("LWM_CONFIG", CONFIG_PATH))
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        leave(ExitCode.BAD_ARGUMENTS, f"LWM_CONFIG={path}: {error.strerror}: mount the run config there")
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        leave(ExitCode.BAD_CONFIG, f"run config: {where + ': ' if where else ''}{first['msg']}")


def number(variable: str, what: str, below: int) -> int:
    """Raises ValueError when Kubernetes (or whoever starts us) did not set the variable to 0 to `below` - 1."""
    text = os.environ.get(variable, "")
    if not text.isdigit() or int(text) >= below:
        raise ValueError(f"{variable}={text!r}: set it to {what}, 0 to {below - 1}")
    return int(text)


def given(read: Callable[[], T]) -> T:
    """What `read` returns; when it raises ValueError, the process ends."""
    try:
        return read()
    except ValueError as error:
        leave(ExitCode.BAD_ARGUMENTS, str(error))
