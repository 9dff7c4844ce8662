"""Somebody else's cluster: what stops the quickstart before anything is built."""

from pathlib import Path

import pytest
from google.auth.exceptions import DefaultCredentialsError

from quickstart import elsewhere, preconditions
from quickstart.options import parse
from tools.kubectl import CommandError


def test_without_a_way_for_images_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preconditions, "tools", lambda **_: pytest.fail("not yet"))
    with pytest.raises(CommandError, match="IMAGE_LOAD is missing"):
        elsewhere.connect(parse(["--context=x"]), tmp_path)


def test_all_that_is_missing_is_said_in_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preconditions, "tools", lambda **_: ["no helm: get it", "no git: get it"])
    with pytest.raises(CommandError, match=r"cannot work yet:\n  - no helm: get it\n  - no git: get it$"):
        elsewhere.connect(parse(["--context=x", "--image-load=true"]), tmp_path)


def test_images_that_are_there_are_neither_built_nor_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "build_and_load", lambda *_: pytest.fail("they are there"))
    found = elsewhere.images(parse(["--context=x", "--images-loaded=v1", "--image-registry=reg.example/x"]))
    assert found == ("reg.example/x/lwm-operator:v1", "reg.example/x/lwm-trainer:v1")


def test_a_bucket_that_may_not_be_written_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise DefaultCredentialsError("no credentials")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(elsewhere, "upload", refused)
    with pytest.raises(CommandError, match=r"BUCKET=gs://mine cannot be written: .*application-default login.*\(no credentials\)"):
        elsewhere.into_bucket("mine")
