import os
import signal
import subprocess
from pathlib import Path

import pytest

from devcluster import cgroups, pods
from devcluster.run import ClusterError

POD = "0652bd17-c324-48b0-b5f5-744a08a55c21"
SIMILAR = POD + "0"


def add(proc: Path, pid: int, uid: str, words: str, number: int = 1, state: str = "S (sleeping)") -> None:
    """A process of a pod as /proc shows it, in two trees of version 1."""
    folder = proc / str(pid)
    folder.mkdir()
    path = f"/lwm-test/node2/kubepods/burstable/pod{uid}/7262b37aacee"
    (folder / "cgroup").write_text(f"4:memory:{path}\n1:cpu:{path}\n0::/\n")
    (folder / "cmdline").write_bytes(words.replace(" ", "\0").encode() + (b"\0" if words else b""))
    (folder / "status").write_text(f"Name:\tx\nState:\t{state}\nNSpid:\t{pid}\t{pid - 10}\t{number}\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    add(tmp_path, 101, POD, "/pause")
    add(tmp_path, 102, POD, "python -m lwm_trainer")
    add(tmp_path, 103, POD, "sh -c look", number=17)
    add(tmp_path, 104, POD, "", number=18, state="Z (zombie)")
    add(tmp_path, 201, SIMILAR, "python -m lwm_trainer")
    (tmp_path / "self").mkdir()
    (tmp_path / "300").mkdir()
    return tmp_path


def test_a_pods_processes_are_those_of_its_containers_not_its_sandbox_a_zombie_or_another_pod(proc: Path) -> None:
    assert pods.processes_of(POD, proc) == [102, 103]
    assert pods.processes_of(SIMILAR, proc) == [201]


def test_a_process_in_the_midst_of_exec_has_no_words_and_counts(proc: Path) -> None:
    (proc / "102" / "cmdline").write_bytes(b"")
    assert pods.processes_of(POD, proc) == [102, 103]


def test_version_two_names_the_group_once(proc: Path) -> None:
    (proc / "102" / "cgroup").write_text(f"0::/lwm-test/node2/kubepods/burstable/pod{POD}/7262b37aacee\n")
    assert 102 in pods.processes_of(POD, proc)


def test_the_main_process_is_the_first_of_its_container_and_must_be_the_only_one(proc: Path) -> None:
    assert pods.main_process(POD, proc) == 102
    add(proc, 105, POD, "a second container")
    with pytest.raises(ClusterError, match="has 2 running containers"):
        pods.main_process(POD, proc)


def test_a_process_that_ended_while_we_looked_has_no_number(proc: Path) -> None:
    assert pods.number_inside(999, proc) == 0


def test_frozen_thawed_and_killed_it_is_stopped_runs_on_and_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        monkeypatch.setattr(pods, "processes_of", lambda uid: [victim.pid])
        pods.freeze(POD)
        assert os.WIFSTOPPED(os.waitpid(victim.pid, os.WUNTRACED)[1])
        pods.thaw(POD)
        assert os.WIFCONTINUED(os.waitpid(victim.pid, os.WCONTINUED)[1])
        pods.kill(POD)
        assert victim.wait(timeout=10) == -signal.SIGKILL


def test_a_fault_that_reaches_no_process_is_an_error_that_names_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "processes_of", lambda uid: [])
    with pytest.raises(ClusterError, match=POD):
        pods.kill(POD)


def test_a_share_of_a_core_is_a_quota_and_can_be_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "main_process", lambda *_: 7)
    monkeypatch.setattr(cgroups, "of_process", lambda *_: tmp_path)
    quota = tmp_path / "cpu.cfs_quota_us"
    quota.write_text("-1")
    pods.throttle("u", 0.1)
    assert quota.read_text() == "10000"
    pods.throttle("u", None)
    assert quota.read_text() == "-1"
    quota.unlink()
    pods.throttle("u", 0.5)
    assert (tmp_path / "cpu.max").read_text() == "50000 100000"
