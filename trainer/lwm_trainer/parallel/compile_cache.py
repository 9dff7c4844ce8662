"""JAX's persistent compilation cache: programs that one process compiled and later ones load."""

import hashlib
import platform
from pathlib import Path

import jax


def use(folder: str, *, min_compile_seconds: float = 1.0) -> None:
    """Keep programs that take at least `min_compile_seconds` to compile below `folder`, and load those that are there."""
    jax.config.update("jax_compilation_cache_dir", f"{folder}/{_compiler()}")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", min_compile_seconds)


def _compiler() -> str:
    """What a compiled program depends on besides what JAX hashes itself: its version and, on CPU, the processor's instructions."""
    processor = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else platform.processor()
    flags = sorted({line for line in processor.splitlines() if line.startswith(("flags", "Features", "model name"))})
    return f"jax-{jax.__version__}-{hashlib.sha256('|'.join(flags).encode()).hexdigest()[:12]}"
