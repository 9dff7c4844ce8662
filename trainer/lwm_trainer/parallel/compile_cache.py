"""JAX's persistent compilation cache: programs that one process compiled and later ones load."""

import hashlib
import platform
from pathlib import Path
from typing import Any

import jax
from jax._src import compiler, distributed  # the cache has no public hook for what a process writes


def use(folder: str, *, min_compile_seconds: float = 1.0) -> None:
    """Keep programs that take at least `min_compile_seconds` to compile below `folder`, and load those that are there."""
    jax.config.update("jax_compilation_cache_dir", f"{folder}/{_compiler()}")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", min_compile_seconds)


def write_from_every_process() -> None:
    """Keep the programs of every process, not only those of process 0.

    JAX writes from process 0 alone, for the others have the same key. On CPU the key contains the process, so each of the others would
    compile its programs again at every start.
    """
    write = compiler._cache_write

    def write_like_process_0(*program: Any) -> None:
        state = distributed.global_state
        process, state.process_id = state.process_id, 0
        try:
            write(*program)
        finally:
            state.process_id = process

    compiler._cache_write = write_like_process_0  # type: ignore[assignment]


def _compiler() -> str:
    """What a compiled program depends on besides what JAX hashes itself: its version and, on CPU, the processor's instructions."""
    processor = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else platform.processor()
    flags = sorted({line for line in processor.splitlines() if line.startswith(("flags", "Features", "model name"))})
    return f"jax-{jax.__version__}-{hashlib.sha256('|'.join(flags).encode()).hexdigest()[:12]}"
