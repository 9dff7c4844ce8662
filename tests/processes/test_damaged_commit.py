"""Two hosts save by the clock of the first one, and pass over a commit in which a file of the second is damaged."""

from pathlib import Path
from typing import Any

from processes.gang import Gang, a_run, patched
from processes.patches import minutes_that_pass_with_steps


def test_hosts_save_together_by_the_clock_and_pass_over_a_damaged_commit_together(folder: Path) -> None:
    root = folder / "damaged"
    checkpoint = {"root": str(root), "saveIntervalSteps": 100, "saveIntervalMinutes": 1, "maxToKeep": 9}
    first: dict[str, Any] = a_run(folder, steps=8, checkpoint=checkpoint)
    with Gang(first, folder / "damaged-1", command=patched(minutes_that_pass_with_steps)) as gang:
        whole = gang.final()
    commits = sorted((root / "s1-short" / "a1").glob("[0-9]*"))
    assert [step.name for step in commits] == ["3", "6", "8"]
    file = max((commits[-1] / "optimizer" / "ocdbt.process_1" / "d").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with Gang(first | {"attempt": 2, "start": {"earlierAttempts": [1], "committedStep": 8}}, folder / "damaged-2") as gang:
        final = gang.final()
        assert gang.steps()[0]["step"] == 7
        assert f"{file.relative_to(commits[-1])} has another content than was saved" in gang.output()
    assert (final.state_hash, final.record_hash) == (whole.state_hash, whole.record_hash)
