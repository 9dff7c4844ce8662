"""A loss that is not finite ends every host and commits nothing; a rollback trains on from before it with other data."""

import json
from pathlib import Path

import numpy as np

from lwm_trainer.checkpoint.checkpointer import read_record
from lwm_trainer.config import ExitCode, RunConfig
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches
from processes.gang import Gang, a_run, patched
from processes.patches import NAN_STEP, nan_loss
from quickstart.learning_check import tokens_hash_of

STEPS, EVERY, SKIP = 12, 3, 5
GOOD = 6
"""The newest commit before it: at 9, the step after the bad one, a commit was due."""


def tokens_of(run: RunConfig, batch_numbers: list[int]) -> list[int]:
    batches = Batches(run, load_documents(run, Tokenizer.load(run.tokenizer, run.model.vocab_size)))
    return [tokens_hash_of(batches, number) for number in batch_numbers]


def test_a_diverged_stage_is_taken_up_again_before_it_with_other_batches(folder: Path) -> None:
    checkpoint = {"root": str(folder / "diverged"), "saveIntervalSteps": EVERY, "maxToKeep": 2}
    stage = folder / "diverged" / "s1-short"
    run = a_run(folder, steps=STEPS, checkpoint=checkpoint)
    with Gang(run, folder / "diverged-1", command=patched(nan_loss)) as gang:
        assert gang.wait() == [ExitCode.DIVERGED] * 2, gang.output()
        for host in (0, 1):
            words = gang.last_words(host)
            assert (words.reason, words.step) == ("Diverged", NAN_STEP)
            assert words.message.startswith(f"step {NAN_STEP + 1}: loss nan")
    assert sorted(int(path.name) for path in (stage / "a1").iterdir() if path.name.isdigit()) == [EVERY, GOOD]

    rollback = {"attempt": 2, "step": EVERY, "skipBatches": SKIP}
    again = run | {
        "attempt": 2,
        "gang": run["gang"] | {"hosts": 1, "devicesPerHost": 4},
        "start": {"earlierAttempts": [1], "rollbacks": [rollback]},
    }
    with Gang(again, folder / "diverged-2") as gang:
        final = gang.final()
        assert gang.steps()[0]["step"] == EVERY + 1
    assert json.loads((stage / "a2" / "origin.json").read_text())["checkpoint"] == str(stage / "a1" / str(EVERY))
    expected = tokens_of(RunConfig.model_validate(again), [*range(EVERY), *range(EVERY + SKIP, STEPS + SKIP)])
    np.testing.assert_array_equal(read_record(final.checkpoint, STEPS).arrays["tokens_hash"], expected)
    assert sorted(path.name for path in (stage / "a1").iterdir()) == ["origin.json"], "pruned: two own commits"
