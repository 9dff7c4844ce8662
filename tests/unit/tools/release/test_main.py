"""The table of checks, and the checks that take no time."""

import pytest

from tools.docs import crd
from tools.release import __main__ as release


def test_the_version_is_one_everywhere_and_there_is_something_to_tell() -> None:
    passed, text = release.version()
    assert passed, text
    passed, text = release.changelog()
    assert passed, text


def test_a_failed_check_fails_the_release_and_the_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> release.Result:
        raise OSError("no disk")

    checks = {"version": lambda: (True, "1.0"), "chart": broken, "licences": lambda: (False, "x (none is named)"), "packaging": broken}
    monkeypatch.setattr(release, "CHECKS", checks)
    assert release.main(["--without", "packaging"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "version        ok      1.0",
        "chart          FAILED  OSError: no disk",
        "licences       FAILED  x (none is named)",
        "packaging      -       left out",
    ]
    monkeypatch.setattr(release, "CHECKS", {"version": checks["version"]})
    assert release.main([]) == 0


def test_without_a_release_there_is_no_crd_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "_git", lambda *arguments: None)
    assert release.compatibility() == (True, "nothing is released yet, so there is no CRD to compare with")


def test_a_crd_of_a_release_that_admitted_more_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    released = crd.PLAIN.read_text().replace(
        "                  tensorboard:\n", "                  gone: {type: string}\n                  tensorboard:\n"
    )
    monkeypatch.setattr(release, "_git", lambda *arguments: "v0.1.0" if arguments[0] == "describe" else released)
    assert release.compatibility() == (False, "spec.trackers.gone: it is gone")
