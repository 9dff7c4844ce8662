"""Which sources a kept answer of the compiler depends on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lwm_trainer.fit.compile import compile_worker, imported_sources
from lwm_trainer.fit.compile.compiler import _key

OTHER_ROOMS = ("checkpoint", "data", "preparation", "runtime", "storage", "train")


def test_the_compile_worker_imports_nothing_that_no_program_depends_on() -> None:
    modules = imported_sources.imported_sources(compile_worker.__name__)
    assert "lwm_trainer.step.train_step" in modules
    assert [module for module in modules if module.split(".")[1:2] and module.split(".")[1] in OTHER_ROOMS] == []


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Appends a comment to a module of a copy of the package, whose sources are hashed."""
    shutil.copytree(imported_sources.ROOT / "lwm_trainer", tmp_path / "lwm_trainer", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(imported_sources, "ROOT", tmp_path)

    def append(module: str) -> None:
        path = tmp_path / "lwm_trainer" / module
        path.write_text(f"{path.read_text()}\n# edited\n")

    return append


@pytest.mark.parametrize(
    ("module", "same"), [("data/encoding/chat.py", True), ("checkpoint/checkpointer.py", True), ("step/loss.py", False)]
)
def test_an_edit_discards_kept_answers_only_where_it_may_change_a_program(edit: Callable[[str], None], module: str, same: bool) -> None:
    before = _key("request")
    edit(module)
    assert (_key("request") == before) == same
