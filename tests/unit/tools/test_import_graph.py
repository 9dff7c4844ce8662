"""Packages, dependencies, cycles and layers, counted on a small tree."""

from pathlib import Path

import pytest

from tools.import_graph import components, layers, main, modules_of, packages

FILES = {
    "__init__.py": "",
    "train.py": "from pkg.step import loss\nfrom pkg.model.llama import forward\n",
    "step/__init__.py": "",
    "step/loss.py": "import pkg.model.llama\n",
    "model/__init__.py": "",
    "model/llama.py": "def forward() -> None:\n    from pkg.model import rope\n",
    "model/rope.py": "",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pkg"


def test_a_room_is_a_folder_and_arrows_join_packages(package: Path) -> None:
    graph = packages(dict(modules_of(package)), "pkg")
    assert graph == {"pkg.train": {"pkg.step", "pkg.model"}, "pkg.step": {"pkg.model"}, "pkg.model": set()}
    assert layers(graph) == 3


def test_a_cycle_of_packages_is_one_component(package: Path) -> None:
    (package / "model" / "rope.py").write_text("from pkg.step.loss import x\n")
    graph = packages(dict(modules_of(package)), "pkg")
    assert [component for component in components(graph) if len(component) > 1] == [{"pkg.step", "pkg.model"}]
    assert layers(graph) == 2


def test_this_checkout_has_no_cycles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(Path(__file__).resolve().parents[3])]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {row[0]: row[-1] for row in table} == {"lwm_operator": "0", "lwm_operator.plan": "0", "lwm_trainer": "0", "lwm_cli": "0"}
