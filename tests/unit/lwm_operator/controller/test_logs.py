import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from lwm_operator.controller.logs import configure_logging


@pytest.fixture
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_restored")
def test_our_lines_and_kopfs_are_json_without_kopfs_extras(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    structlog.contextvars.bind_contextvars(training="bible")
    structlog.get_logger("lwm_operator").info("reconciled", decision="nothing")
    structlog.contextvars.clear_contextvars()
    logging.getLogger("kopf.reactor").warning("watch %s", "ended", extra={"settings": object(), "k8s_skip": True})
    logging.getLogger("kopf.activities.probe").info("noise")
    logging.getLogger("x").debug("noise")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["reconciled", "watch ended"]
    assert (lines[0]["decision"], lines[0]["training"], lines[0]["level"]) == ("nothing", "bible", "info")
    assert "settings" not in lines[1]


@pytest.mark.usefixtures("_restored")
def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("LOUD")
