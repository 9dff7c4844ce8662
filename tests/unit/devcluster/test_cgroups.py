from pathlib import Path

import pytest

from devcluster import cgroups, checks
from devcluster.paths import Cluster

NODE = Cluster("lwm-test").nodes[1]


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    for name in cgroups.NEEDED:
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.procs").touch()
    for name in ("cpuset.cpus", "cpuset.mems"):
        (tmp_path / "cpuset" / name).write_text("0-1\n")
    return tmp_path


@pytest.fixture
def second_version(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    return tmp_path


def test_a_hybrid_is_version_one(first_version: Path) -> None:
    assert cgroups.version(first_version) == 1
    assert cgroups.missing(first_version) == []


def test_version_two_is_told_by_its_controllers(second_version: Path) -> None:
    assert cgroups.version(second_version) == 2
    assert cgroups.missing(second_version) == []
    assert cgroups.trees(second_version) == [second_version]


def test_a_missing_controller_is_said_with_the_version_that_was_looked_for(second_version: Path) -> None:
    (second_version / "cgroup.controllers").write_text("cpu io memory\n")
    (problem,) = checks.cgroup_problems(second_version)
    assert "version 2: no cpuset, pids in" in problem
    assert "--privileged" in problem


def test_every_tree_of_version_one_gets_the_group_and_can_lose_it(first_version: Path) -> None:
    cgroups.make(NODE, first_version)
    for tree in (*cgroups.NEEDED, "unified"):
        assert (first_version / tree / "lwm-test" / "node2").is_dir()
    cgroups.make(NODE, first_version)
    cgroups.remove("lwm-test", first_version)
    assert not list(first_version.rglob("lwm-test"))


def test_an_empty_cpuset_is_filled_from_its_parent(first_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def as_the_kernel_does(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        make(path, mode, parents, exist_ok)
        if "cpuset" in path.parts:
            for name in ("cpuset.cpus", "cpuset.mems"):
                (path / name).touch()

    monkeypatch.setattr(Path, "mkdir", as_the_kernel_does)
    cgroups.make(NODE, first_version)
    assert (first_version / "cpuset" / "lwm-test" / "node2" / "cpuset.cpus").read_text() == "0-1\n"
