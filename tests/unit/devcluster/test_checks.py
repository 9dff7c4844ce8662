from pathlib import Path

import pytest

from devcluster import checks, go_toolchain
from devcluster.run import ClusterError


def test_too_little_disk_names_the_folder_and_the_variable(tmp_path: Path) -> None:
    (problem,) = checks.disk(tmp_path, needed=2**62)
    assert str(tmp_path) in problem
    assert "LWM_CACHE" in problem
    assert checks.disk(tmp_path, needed=1) == []


@pytest.mark.parametrize("folder", ["/var/lib/cache", "/run/cache", "/var/log"])
def test_a_cache_that_nodes_cannot_see_is_refused(folder: str) -> None:
    assert "choose a folder elsewhere" in checks.place(Path(folder))[0]


def test_a_cache_anywhere_else_is_fine(tmp_path: Path) -> None:
    assert checks.place(tmp_path) == []


def test_without_root_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"sudo -E.*CONTEXT="):
        checks.all_hold()


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
    with pytest.raises(ClusterError, match=r"no Go 99\.0 or later here, and no uv"):
        go_toolchain.find()
