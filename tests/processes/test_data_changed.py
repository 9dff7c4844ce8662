"""A source that changed between two attempts, or that is not the same on two hosts, is refused before the first step."""

import shutil
from pathlib import Path
from typing import Any

from lwm_trainer.checkpoint.manifest import read_manifest
from lwm_trainer.config import ExitCode
from processes.gang import Gang, a_run, patched, write_texts, write_tokenizer
from processes.patches import other_text_on_host_1


def test_a_stage_goes_on_with_changed_data_only_where_the_data_set_accepts_it(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", documents=4)
    write_tokenizer(tmp_path / "tokenizer.json")

    def attempt(number: int, **changes: Any) -> Gang:
        run = a_run(tmp_path, attempt=number, steps=3, mesh={"sp": 2}, start={"earlierAttempts": list(range(number - 1, 0, -1))})
        run["gang"] |= {"hosts": 1}
        run["datasets"][0] |= changes
        return Gang(run | {"checkpoint": run["checkpoint"] | {"saveIntervalSteps": 1}}, tmp_path / f"a{number}")

    with attempt(1) as gang:
        gang.final()
    shutil.rmtree(tmp_path / "runs/s1-short/a1/3")  # as if it had died after step 2
    before = (read_manifest(str(tmp_path / "runs/s1-short/a1/2")).data or {})["words"]
    (tmp_path / "texts" / "001.txt").write_text("other words")
    with attempt(2) as gang:
        assert gang.wait() == [ExitCode.BAD_DATA], gang.output()
        last = gang.last_words()
        assert gang.steps() == []
    assert last.reason == "DataChanged"
    assert f"datasets[words].source: {tmp_path}/texts has changed since step 2" in last.message
    assert f"{before} then" in last.message
    content = last.message.partition("acceptChangeTo: ")[2][:16]
    with attempt(3, acceptChangeTo=content) as gang:
        final = gang.final()
    now = (read_manifest(final.checkpoint).data or {})["words"]
    assert now.content == content
    assert [(change.step, change.previous, change.content) for change in now.accepted] == [(2, before.content, content)]


def test_a_source_that_is_another_on_another_host_is_refused(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", documents=4)
    write_tokenizer(tmp_path / "tokenizer.json")
    with Gang(a_run(tmp_path), tmp_path / "gang", command=patched(other_text_on_host_1)) as gang:
        assert ExitCode.BAD_DATA in gang.wait(), gang.output()
        messages = [(tmp_path / "gang" / f"last-{host}").read_text() for host in (0, 1) if (tmp_path / "gang" / f"last-{host}").exists()]
        assert any(f"datasets[words].source: {tmp_path}/texts is not the same on all hosts: 4 documents" in text for text in messages)
        assert gang.steps() == []
