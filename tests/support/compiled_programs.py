"""Compiled programs of the tests, which outlive a run: most of the time of a numeric test is its compiler's."""

import shutil
import tempfile
from pathlib import Path

from devcluster.paths import cache
from lwm_trainer.parallel import compile_cache

FOLDER = cache() / "tests" / "compiled"
"""JAX names a program by the hash of its text and its options: what has changed is compiled anew."""
MOST_BYTES = 1 << 30
MIN_COMPILE_SECONDS = 0.1


def keep() -> None:
    """Compile in this process what the folder lacks, and load the rest."""
    compile_cache.use(str(FOLDER), min_compile_seconds=MIN_COMPILE_SECONDS)


def limit() -> None:
    """Empty the folder once it has grown too large."""
    if sum(path.stat().st_size for path in _files()) > MOST_BYTES:
        shutil.rmtree(FOLDER, ignore_errors=True)


def write(path: Path, content: bytes) -> None:
    """Write a file of the folder so that other processes see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as unfinished:
        unfinished.write(content)
    Path(unfinished.name).rename(path)


def _files() -> list[Path]:
    return [path for path in FOLDER.rglob("*") if path.is_file()]
