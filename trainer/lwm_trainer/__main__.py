"""`python -m lwm_trainer`: run config in, exit code out."""

import faulthandler
import json
import logging
import os
import sys
import traceback
from pathlib import Path

os.environ.setdefault("NNX_GRAPH_MODE", "false")

import jax
import pydantic

from lwm_trainer import config, distributed, emulator
from lwm_trainer.config import ExitCode
from lwm_trainer.progress import Reporter, write_last_words
from lwm_trainer.train import train


def main() -> int:
    """Read the run config, join the gang, train; the exit code says how it ended, the termination message says it in words."""
    faulthandler.enable()
    for noisy in ("gcsfs", "gcsfs.credentials", "absl", "orbax"):  # hundreds of lines a process, none about us
        logging.getLogger(noisy).setLevel(logging.ERROR)
    emulator.prepare()
    path = Path(os.environ.get("LWM_CONFIG", config.CONFIG_PATH))
    try:
        run = config.RunConfig.model_validate_json(path.read_bytes())
        index = distributed.process_index(run.gang)
    except OSError as error:
        return _leave(ExitCode.BAD_ARGUMENTS, f"LWM_CONFIG={path}: {error.strerror}: mount the run config there")
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _leave(ExitCode.BAD_CONFIG, f"run config: {where + ': ' if where else ''}{first['msg']}")
    except ValueError as error:
        return _leave(ExitCode.BAD_ARGUMENTS, str(error))

    reporter = Reporter(run) if index == 0 else None
    try:
        distributed.join(run)
        final = train(run, reporter)
        jax.distributed.shutdown()
    except BaseException as error:
        code, message = _judge(error, run)
        step = reporter.progress.step if reporter is not None else 0
        if code in (ExitCode.UNCAUGHT, ExitCode.TRANSIENT, ExitCode.PEER_LOST):
            traceback.print_exc()
        return _leave(code, message, reporter, step)
    return _leave(ExitCode.COMPLETE, f"stage {run.stage} is complete at step {final.step}", reporter, final.step, final)


def _judge(error: BaseException, run: config.RunConfig) -> tuple[ExitCode, str]:
    """The exit code and one line for an exception that ended the stage."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    code = getattr(error, "code", None)
    if isinstance(code, ExitCode):
        return code, str(error)
    if isinstance(error, PermissionError):
        return ExitCode.STORAGE_DENIED, text
    if isinstance(error, jax.errors.JaxRuntimeError) and run.gang.hosts > 1 and not _own_fault(text):
        return ExitCode.PEER_LOST, text
    if isinstance(error, (OSError, TimeoutError)):
        return ExitCode.TRANSIENT, text
    return ExitCode.UNCAUGHT, text


def _own_fault(text: str) -> bool:
    """Whether a runtime error is this process's own (memory, a program that makes no sense) and not the loss of a peer."""
    return any(status in text for status in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED", "FAILED_PRECONDITION"))


def _leave(code: ExitCode, message: str, reporter: Reporter | None = None, step: int = 0, final: config.Final | None = None) -> int:
    """Say the last words, then leave at once: with a peer gone, a normal exit would sit in JAX's shutdown barrier for a minute."""
    write_last_words(config.LastWords(code=int(code), reason=code.name, message=message, step=step, final=final))
    print(json.dumps({"exit": int(code), "reason": code.name, "message": message}), file=sys.stderr)
    if reporter is not None:
        reporter.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))


if __name__ == "__main__":
    main()
