"""Reads the mounted config and the variables that a process is started with; if they are wrong, the process exits with a message."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pydantic

from lwm_trainer.config import CONFIG_PATH, ContractError, ErrorReason, ExitCode, VersionedRecord
from lwm_trainer.runtime import console
from lwm_trainer.runtime.exit import exit_process

C = TypeVar("C", bound=VersionedRecord)
T = TypeVar("T")


def read_mounted_config(kind: type[C]) -> C:
    """The mounted config of this kind. Without a valid one the process exits."""
    path = Path(os.environ.get("LWM_CONFIG", CONFIG_PATH))
    try:
        text = path.read_bytes()
        config = kind.read_config(text)
    except OSError as error:
        exit_process(ExitCode.BAD_ARGUMENTS, f"LWM_CONFIG={path}: {error.strerror}: mount the run config there")
    except ContractError as error:
        exit_process(ExitCode.BAD_CONFIG, f"run config: {error}", reason=ErrorReason.CONTRACT_MISMATCH)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        exit_process(ExitCode.BAD_CONFIG, f"run config: {field + ': ' if field else ''}{first['msg']}")
    if unknown := kind.unknown_fields(text):
        console.warn(f"run config: {', '.join(unknown)}: written by a newer operator, unknown to this trainer and ignored")
    return config


def read_index(variable: str, meaning: str, count: int) -> int:
    """The index, 0 to `count` - 1, in a variable that Kubernetes sets. Raises ValueError when it is not set to one."""
    text = os.environ.get(variable, "")
    if not text.isdigit() or int(text) >= count:
        raise ValueError(f"{variable}={text!r}: set it to {meaning}, 0 to {count - 1}")
    return int(text)


def exit_on_value_error(read: Callable[[], T]) -> T:
    """What `read` returns. When it raises ValueError, the process exits."""
    try:
        return read()
    except ValueError as error:
        exit_process(ExitCode.BAD_ARGUMENTS, str(error))
