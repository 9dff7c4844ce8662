"""Eight CPU devices in one process, for whatever is sharded, and programs that are compiled once for many runs."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from support import compiled_programs

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # one process of those that share the folder
        compiled_programs.limit()
    compiled_programs.keep()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of this run see (pytest-xdist's workers), and no other run."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture
def no_compile_cache() -> Iterator[None]:
    """Programs are compiled in this test: what the compiler prints is what the test looks at."""
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    yield
    jax.config.update("jax_enable_compilation_cache", True)
    compilation_cache.reset_cache()
