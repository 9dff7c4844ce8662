"""Suites of a gate are asked by the stage's own gang, and once more where it was killed among them, with the same scores."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from lwm_trainer.config import ExitCode
from processes.gang import Gang, a_run, patched
from processes.patches import killed_at_question_3

ONE_HOST = {"mesh": {"dp": 2, "sp": 2}, "hosts": 1, "devicesPerHost": 4}


def end(folder: Path, attempt: int, command: list[str], **changes: Any) -> Gang:
    """A gang of one or two hosts that trains a step, or finds it committed, and comes to its gate."""
    suite = {"suite": "json-kv", "lengths": [512], "depths": 3, "rounds": 1, "answers": "generated", "minScore": 0.5}
    start = {"earlierAttempts": list(range(attempt - 1, 0, -1))}
    long = {"contextLength": 512, "batchTokens": 1024, "steps": 1, "gate": {"suites": [suite]}}
    run = a_run(folder, attempt=attempt, start=start, checkpoint={"root": str(folder / "asked"), "saveIntervalSteps": 3}, **long)
    run["mesh"] = changes.pop("mesh", run["mesh"])
    return Gang(run | {"gang": run["gang"] | changes}, folder / f"asked-{attempt}", command)


def test_the_gang_asks_and_asks_again_where_it_was_killed(folder: Path) -> None:
    """Two hosts ask together; later attempts, on one host with another mesh, come to the same scores and the same end."""
    plain = [sys.executable, "-m", "lwm_trainer"]
    stage, messages = folder / "asked" / "s1-short", []
    for attempt, command, changes in ((1, plain, {}), (2, patched(killed_at_question_3), ONE_HOST), (3, plain, ONE_HOST)):
        with end(folder, attempt, command, **changes) as gang:
            codes = set(gang.wait())
            if attempt == 2:
                assert codes == {-signal.SIGKILL}, gang.output()
                continue
            assert codes == {ExitCode.GATE_FAILED}, gang.output()
            assert (gang.last_words().reason, gang.last_words().step) == ("GateFailed", 1)
            messages.append(gang.last_words().message)
        results = stage / f"a{attempt}" / "evals" / "1-json-kv"
        page = (stage / f"a{attempt}" / "report.html").read_text()
        assert "Step 1 of stage short of training tiny" in page
        assert "0 of 3" in page
        assert {path.name for path in results.iterdir()} == {"answers.jsonl", "heat_map.svg", "results.json"}
        (task,) = json.loads((results / "results.json").read_text())["results"].values()
        assert (task["alias"], task["score,none"]) == ("json-kv_512", 0)
        lines = [json.loads(line) for line in (results / "answers.jsonl").read_text().splitlines()]
        assert lines[0]["subject"] == str(stage / "a1" / "1"), "nothing is trained again"
        assert [line["depth"] for line in lines[1:]] == [0, 0.5, 1]
    assert messages[0] == messages[1]
    assert messages[0] == "gate.suites: json-kv score 0.000 of 3 questions (95 % interval 0.000 to 0.561) is below minScore 0.5"
