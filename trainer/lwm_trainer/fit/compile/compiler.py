"""Compiles train steps in a worker process, and caches the results."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path

from lwm_trainer.config import Checkpoint, Dataset, Optimizer, RunConfig, SkipSpikes, Start
from lwm_trainer.fit.compile import compile_worker
from lwm_trainer.fit.compile.compile_result import CompileResult, parse_refusal
from lwm_trainer.fit.compile.compile_worker import Request
from lwm_trainer.fit.compile.imported_sources import imported_sources
from lwm_trainer.fit.compile.target import NO_LIBTPU, Target

LOG_SECONDS = 5


class FitError(Exception):
    """A stage cannot be compiled here: says why, and the fix."""


def cache_folder() -> Path:
    """Where results are cached: `fit` in LWM_CACHE, by default ~/.cache/lwm-operator."""
    return Path(os.environ.get("LWM_CACHE") or Path.home() / ".cache" / "lwm-operator") / "fit"


def canonical(run: RunConfig) -> RunConfig:
    """The run without the fields that do not change the program's size: stages that differ only in names, data, theta or rates are one."""
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
            "optimizer": _canonical_optimizer(run.optimizer),
            "checkpoint": Checkpoint(root="/none", save_interval_steps=1000),
            "start": Start(),
            "compile_cache": None,
            "lease": None,
        }
    )


def _canonical_optimizer(optimizer: Optimizer) -> Optimizer:
    """The optimizer with the settings alone that decide which arrays it has."""
    return Optimizer(
        name=optimizer.name,
        beta1=0.0 if optimizer.name == "adafactor" and optimizer.beta1 == 0 else 0.9,
        skip_spikes=None if optimizer.skip_spikes is None else SkipSpikes(),
        ema_decay=None if optimizer.ema_decay is None else 0.999,
    )


def compile_step(run: RunConfig, target: Target, log: Callable[[str], None], *, cache: Path | None = None) -> tuple[CompileResult, bool]:
    """Compile the train step of a run, or read the cached result; the result, and whether it was cached.

    Args:
        log: called every few seconds with a line on the progress.
        cache: the folder of results; by default `cache_folder()`.

    Raises FitError when there is no compiler for the target, or when it fails for a reason other than memory.
    """
    if target.platform == "tpu" and util.find_spec("libtpu") is None:
        raise FitError(NO_LIBTPU)
    request = _request(run, target)
    file = (cache or cache_folder()) / f"{_key(request)}.json"
    if file.exists():
        return CompileResult.model_validate_json(file.read_bytes()), True
    temporary = file.with_suffix(f".{os.getpid()}")
    try:  # before the minutes that a compilation takes
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise FitError(f"{file.parent}: {error.strerror}: results are kept there: set LWM_CACHE to a folder that may be written") from error
    try:
        result = _run_worker(request, log)
    except BaseException:
        temporary.unlink()
        raise
    temporary.write_text(result.model_dump_json(by_alias=True))
    temporary.replace(file)
    return result, False


def is_cached(run: RunConfig, target: Target, *, cache: Path | None = None) -> bool:
    """Whether the result is cached; `run` has its Ulysses degree given."""
    return ((cache or cache_folder()) / f"{_key(_request(run, target))}.json").exists()


def _request(run: RunConfig, target: Target) -> str:
    return Request(run=canonical(run), target=target).model_dump_json(by_alias=True)


def _run_worker(request: str, log: Callable[[str], None]) -> CompileResult:
    start = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "lwm_trainer.fit.compile.compile_worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as worker:
        text: str | None = request
        while True:
            try:
                out, errors = worker.communicate(text, timeout=LOG_SECONDS)
                break
            except subprocess.TimeoutExpired:
                text = None
                log(f"compiling, {time.monotonic() - start:.0f} s so far")
            except BaseException:
                worker.kill()
                raise
    if worker.returncode == 0:
        return CompileResult.model_validate_json(out.strip().splitlines()[-1])
    if (refusal := parse_refusal(errors)) is not None:
        return CompileResult(seconds=time.monotonic() - start, mesh="", refusal=refusal)
    status = f"signal {-worker.returncode}" if worker.returncode < 0 else f"exit code {worker.returncode}"
    last_lines = "\n".join(errors.strip().splitlines()[-3:])
    raise FitError(f"the compiler ended with {status} and no answer; its last lines:\n{last_lines}")


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
