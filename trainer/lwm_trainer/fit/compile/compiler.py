"""Asks the compiler in a child process, and keeps its answers."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path

from lwm_trainer.config import Checkpoint, Dataset, Optimizer, RunConfig, Start
from lwm_trainer.fit.compile import compile_worker
from lwm_trainer.fit.compile.compile_result import CompileResult, refusal
from lwm_trainer.fit.compile.compile_worker import Request
from lwm_trainer.fit.compile.imported_sources import imported_sources
from lwm_trainer.fit.compile.target import NO_LIBTPU, Target

TELL_SECONDS = 5


class FitError(Exception):
    """A sentence that says what cannot be answered, and the fix."""


def folder() -> Path:
    """Where answers are kept: beside everything else that is built outside the clone."""
    return Path(os.environ.get("LWM_CACHE") or Path.home() / ".cache" / "lwm-operator") / "fit"


def canonical(run: RunConfig) -> RunConfig:
    """The run without what decides no operation: stages that differ in names, data, theta or rates only are one program."""
    return run.model_copy(
        update={
            "training": "fit",
            "stage": "fit",
            "stage_index": 0,
            "stage_count": 1,
            "attempt": 1,
            "seed": 0,
            "gang": run.gang.model_copy(update={"job": "fit", "service": "fit", "coordinator": "fit:1"}),
            "tokenizer": "/none",
            "datasets": (Dataset(name="none", kind="text", uri="/none"),),
            "rope_theta": 10000.0,
            "steps": 1000,
            "optimizer": Optimizer(),
            "checkpoint": Checkpoint(root="/none", save_interval_steps=1000),
            "start": Start(),
            "compile_cache": None,
            "lease": None,
        }
    )


def compiled(run: RunConfig, target: Target, say: Callable[[str], None], *, keep: Path | None = None) -> tuple[CompileResult, bool]:
    """The compiler's answer, and whether it was a kept one. `say` hears every few seconds how long it has been compiling.

    Raises FitError when there is no compiler for the target, or when it fails for another reason than memory.
    """
    if target.platform == "tpu" and util.find_spec("libtpu") is None:
        raise FitError(NO_LIBTPU)
    request = _request(run, target)
    file = (keep or folder()) / f"{_key(request)}.json"
    if file.exists():
        return CompileResult.model_validate_json(file.read_bytes()), True
    found = _ask(request, say)
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_suffix(f".{os.getpid()}")
    whole.write_text(found.model_dump_json(by_alias=True))
    whole.replace(file)
    return found, False


def known(run: RunConfig, target: Target, *, keep: Path | None = None) -> bool:
    """Whether the compiler's answer is a kept one; `run` has its Ulysses degree given."""
    return ((keep or folder()) / f"{_key(_request(run, target))}.json").exists()


def _request(run: RunConfig, target: Target) -> str:
    return Request(run=canonical(run), target=target).model_dump_json(by_alias=True)


def _ask(request: str, say: Callable[[str], None]) -> CompileResult:
    start = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "lwm_trainer.fit.compile.compile_worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as child:
        text: str | None = request
        while True:
            try:
                out, errors = child.communicate(text, timeout=TELL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                text = None
                say(f"compiling, {time.monotonic() - start:.0f} s so far")
            except BaseException:
                child.kill()
                raise
    if child.returncode == 0:
        return CompileResult.model_validate_json(out.strip().splitlines()[-1])
    if (found := refusal(errors)) is not None:
        return CompileResult(seconds=time.monotonic() - start, mesh="", refusal=found)
    how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
    last = "\n".join(errors.strip().splitlines()[-3:])
    raise FitError(f"the compiler ended with {how} and no answer; its last words:\n{last}")


def _key(request: str) -> str:
    digest = hashlib.sha256(request.encode())
    for name in ("jax", "jaxlib", "libtpu", "flax", "optax", "tokamax"):
        try:
            digest.update(f"{name} {metadata.version(name)}".encode())
        except metadata.PackageNotFoundError:
            digest.update(f"{name} none".encode())
    for name, source in imported_sources(compile_worker.__name__).items():
        digest.update(name.encode() + source)
    return digest.hexdigest()[:32]
