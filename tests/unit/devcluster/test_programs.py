import pytest

from devcluster import programs


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
