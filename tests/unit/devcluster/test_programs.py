from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster import go_toolchain, programs
from devcluster.run import ClusterError


def test_the_version_that_is_pinned_goes_into_the_programs() -> None:
    version = programs.kubernetes_version()
    assert f"-X k8s.io/component-base/version.gitVersion={version}" in programs.flags()[-1]


def test_every_package_is_pinned_by_the_module() -> None:
    pinned = (programs.MODULE / "tools.go").read_text()
    for package in programs.PACKAGES.values():
        assert package.startswith("./") or f'"{package}"' in pinned
    assert all((programs.MODULE / package).is_dir() for package in programs.PACKAGES.values() if package.startswith("./"))


def test_other_flags_are_another_build(monkeypatch: pytest.MonkeyPatch) -> None:
    before = programs.key()
    assert before == programs.key()
    monkeypatch.setattr(programs, "flags", lambda: ["-race"])
    assert programs.key() != before


def test_each_program_has_an_output_name_of_its_own() -> None:
    names = {program: programs.output_name(package) for program, package in programs.PACKAGES.items()}
    assert len(set(names.values())) == len(names)
    assert {program: name for program, name in names.items() if program != name} == {"etcd": "server"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a Go that is there, and two programs."""
    monkeypatch.setenv("LWM_CACHE", str(tmp_path))
    monkeypatch.setattr(programs, "PACKAGES", {"etcd": "go.etcd.io/etcd/server/v3", "pause": "./pause"})
    monkeypatch.setattr(go_toolchain, "find", lambda: Path("go"))
    return tmp_path


def compiler(commands: list[list[str]]) -> Callable[..., str]:
    """A go command that lists one stale package and writes the programs that it is told to build."""

    def run_go(command: list[str], read: Callable[[str], bool], show: Callable[[], None]) -> str:
        commands.append(command)
        if command[1] == "list":
            return "example.com/a\t/nowhere\t\ttrue\n"
        folder = Path(command[command.index("-o") + 1])
        assert read("example.com/a")
        for package in command[command.index("-o") + 2 :]:
            (folder / programs.output_name(package)).write_text(package)
        show()
        return ""

    return run_go


def test_all_programs_are_built_by_one_command_and_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(programs, "_run_go", compiler(commands))
    folder = programs.build()
    assert [command[1] for command in commands] == ["list", "build"]
    assert commands[1][-2:] == ["go.etcd.io/etcd/server/v3", "./pause"]
    assert sorted(path.name for path in folder.iterdir()) == ["built.json", "etcd", "pause"]
    programs.build()
    assert len(commands) == 2


def test_only_what_is_missing_is_built(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(programs, "_run_go", compiler(commands))
    folder = programs.build()
    (folder / "etcd").unlink()
    programs.build()
    assert commands[3][-1] == "go.etcd.io/etcd/server/v3"
    assert "./pause" not in commands[3]
    assert (folder / "etcd").exists()


def test_a_failed_build_changes_nothing_and_says_what_the_compiler_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = cache / "go"
    go.write_text("#!/bin/sh\n[ $1 = list ] && exit 0\necho example.com/a >&2\necho 'a.go:1:1: syntax error' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setattr(go_toolchain, "find", lambda: go)
    with pytest.raises(ClusterError, match=r"(?s)go build.* failed with 1.*syntax error"):
        programs.build()
    assert not (cache / "bin" / "built.json").exists()
