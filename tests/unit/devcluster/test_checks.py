from pathlib import Path

import pytest

from devcluster import cgroups, checks, go_toolchain
from devcluster.__main__ import main
from devcluster.run import ClusterError


def test_too_little_disk_names_the_folder_and_the_variable(tmp_path: Path) -> None:
    (problem,) = checks.disk_problems(tmp_path, needed=2**62)
    assert str(tmp_path) in problem
    assert "LWM_CACHE" in problem
    assert checks.disk_problems(tmp_path, needed=1) == []


@pytest.mark.parametrize("folder", ["/var/lib/cache", "/run/cache", "/var/log"])
def test_a_cache_that_nodes_cannot_see_is_refused(folder: str) -> None:
    assert "choose a folder elsewhere" in checks.cache_problems(Path(folder))[0]


def test_a_cache_anywhere_else_is_fine(tmp_path: Path) -> None:
    assert checks.cache_problems(tmp_path) == []


def test_without_root_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"sudo -E.*CONTEXT="):
        checks.require_machine()


def test_without_root_the_check_is_one_sentence_and_no_success(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["check"]) == 1
    assert capsys.readouterr().out == f"{checks.ROOT_NEEDED}\n"


def test_a_machine_with_everything_passes_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(checks, "missing_packages", lambda: ["buildah"])  # `up` installs it
    monkeypatch.setattr(checks, "machine_problems", list)
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    assert main(["check"]) == 0
    assert capsys.readouterr().out == ""


def test_the_check_names_the_first_problem_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(checks, "missing_packages", list)
    monkeypatch.setattr(checks, "machine_problems", lambda: ["no room", "no bridges"])
    assert checks.obstacle() == "no room"


def test_cgroups_that_nobody_may_write_to_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").write_text(" ".join(cgroups.NEEDED))
    assert checks.cgroup_problems(tmp_path) == []
    monkeypatch.setattr("os.access", lambda path, mode: False)
    (problem,) = checks.cgroup_problems(tmp_path)
    assert f"{tmp_path} cannot be written" in problem
    assert "--privileged" in problem


def test_without_apt_the_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    with pytest.raises(ClusterError, match=r"missing: .*runc.*no apt-get"):
        checks.install(checks.missing_packages())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("go version go1.9 linux/amd64", (1, 9)), ("devel", ())],
)
def test_go_versions_compare_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert go_toolchain.version(text) == numbers
    assert (numbers >= go_toolchain.needed()) == (numbers == (1, 26, 8))


def test_without_go_and_uv_both_cures_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LWM_UV", raising=False)
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setattr(go_toolchain, "needed", lambda: (99, 0))
    with pytest.raises(ClusterError, match=r"no Go 99\.0 or later on this machine, and no uv"):
        go_toolchain.find()
