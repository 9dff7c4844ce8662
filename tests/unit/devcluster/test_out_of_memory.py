import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import cgroups, out_of_memory
from devcluster.run import ClusterError

GROUP = "/lwm-test/node2/kubepods/burstable/pod1/c1"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"9:name=systemd:/\n4:memory:{GROUP}\n1:cpu,cpuacct:/other\n0::/\n")
    return tmp_path


def test_on_version_one_the_group_is_the_memory_trees(proc: Path, tmp_path: Path) -> None:
    mount = tmp_path / "one"
    mount.mkdir()
    assert cgroups.of_process(7, "memory", proc, mount) == mount / "memory" / GROUP[1:]


def test_on_version_two_there_is_one_tree(proc: Path, tmp_path: Path) -> None:
    mount = tmp_path / "two"
    mount.mkdir()
    (mount / "cgroup.controllers").write_text("memory\n")
    (proc / "7" / "cgroup").write_text(f"0::{GROUP}\n")
    assert cgroups.of_process(7, "memory", proc, mount) == mount / GROUP[1:]


def test_a_process_without_a_memory_group_is_an_error(proc: Path, tmp_path: Path) -> None:
    (proc / "7" / "cgroup").write_text("0::/\n")
    with pytest.raises(ClusterError, match="process 7 is in no memory cgroup"):
        cgroups.of_process(7, "memory", proc, tmp_path / "one")


@pytest.mark.parametrize(("limit", "left"), [("2147483648", 64 * 1024**2 + 1000), ("2000", 2000)])
def test_a_limit_is_drawn_down_and_never_raised(tmp_path: Path, limit: str, left: int) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text(limit + "\n")
    (tmp_path / "memory.usage_in_bytes").write_text("1000\n")
    out_of_memory.lower_limit(tmp_path)
    assert int((tmp_path / "memory.limit_in_bytes").read_text()) == left


def test_no_limit_at_all_gets_one_on_version_two(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    out_of_memory.lower_limit(tmp_path)
    assert int((tmp_path / "memory.max").read_text()) == out_of_memory.SPARE + 1000


def test_the_hog_joins_the_group_and_ends_with_its_victim(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    subprocess.run([sys.executable, "-S", "-c", out_of_memory.HOG, str(group), str(tmp_path / "gone")], check=True, timeout=30)
    assert (group / "cgroup.procs").read_text() == "0"
