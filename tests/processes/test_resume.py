"""Killed, stopped, started again elsewhere: the record and the state at the stage's end are those of the undisturbed run, bit for bit."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.checkpoint.checkpointer import read_record
from lwm_trainer.checkpoint.manifest import read_manifest
from lwm_trainer.config import ExitCode, FinalReport
from processes.gang import Gang, a_run, patched
from processes.patches import next_batch
from support.event_files import scalars_of

STEPS, EVERY, KILL_AT = 24, 8, 10


def stage(folder: Path, runs: str, attempt: int = 1, **changes: Any) -> dict[str, Any]:
    checkpoint = {"root": str(folder / runs), "saveIntervalSteps": EVERY, "maxToKeep": 2}
    start = {"earlierAttempts": list(range(attempt - 1, 0, -1))}
    cache = {"compileCache": str(folder / "compiled")}  # new: the first attempt compiles, later ones load its programs
    held_out = {"name": "held-out", "kind": "text", "uri": str(folder / "held-out")}
    validation = {"datasets": [held_out], "batches": 2, "intervalSteps": 3}
    fields = {"steps": STEPS, "checkpoint": checkpoint, "attempt": attempt, "start": start, "validation": validation}
    if runs == "killed":  # beside runs without, because neither changes anything
        fields |= {"trackers": {"tensorboard": True}, "profileSteps": [EVERY + 1, STEPS]}
    return a_run(folder, **(fields | cache | changes))


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> FinalReport:
    with Gang(stage(folder, "undisturbed"), folder / "undisturbed-1") as gang:
        return gang.final()


@pytest.fixture(scope="module")
def killed(folder: Path) -> Path:
    """The folder of a run without validation, whose host 1 was killed between two commits."""
    attempt = folder / "killed" / "s1-short" / "a1"
    with Gang(stage(folder, "killed", validation=None), folder / "killed-1") as gang:
        gang.wait_for_step(KILL_AT)
        gang.wait_for((attempt / str(EVERY)).exists)
        gang.processes[1].send_signal(signal.SIGKILL)
        survivor, victim = gang.wait()
        assert victim == -signal.SIGKILL
        # Gloo tells some survivors at once; one that waits inside the same host's rendezvous is aborted at the heartbeat instead.
        assert survivor in (ExitCode.PEER_LOST, -signal.SIGABRT), gang.output()
        reached = gang.steps()[-1]["step"]
    committed = [int(path.name) for path in attempt.iterdir() if path.name.isdigit()]
    assert committed == [EVERY]
    assert reached - EVERY >= 2, "the kill must cost steps that run again"
    assert reached < STEPS
    return folder / "killed"


def test_a_stage_killed_and_stopped_ends_as_the_undisturbed_one(
    folder: Path, undisturbed: FinalReport, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_EXPLAIN_CACHE_MISSES", "1")
    with Gang(stage(folder, "killed", attempt=2), folder / "killed-2") as gang:
        gang.wait_for_step(EVERY + 1)
        for host in (0, 1):
            assert "CACHE MISS for" in gang.output(host), "JAX still tells what it compiles: of short programs none is kept"
            assert "CACHE MISS for 'jit_train_step'" not in gang.output(host), "it loads the program that the attempt before compiled"
        assert gang.steps()[0]["step"] == EVERY + 1, "the new attempt begins at the commit's next step"
        gang.processes[1].send_signal(signal.SIGTERM)
        assert gang.wait() == [ExitCode.SAVED_ON_REQUEST] * 2, gang.output()
        saved = gang.last_words().message
    with Gang(stage(folder, "killed", attempt=3), folder / "killed-3") as gang:
        final = gang.final()
        assert f"step {int(gang.steps()[0]['step']) - 1} is saved" in saved
    assert (final.state_hash, final.record_hash) == (undisturbed.state_hash, undisturbed.record_hash)
    assert final.checkpoint.endswith(f"/s1-short/a3/{STEPS}")
    record, expected = (read_record(end.checkpoint, STEPS) for end in (final, undisturbed))
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(record.arrays[name], array)
    assert np.all(record.arrays["tokens_hash"] != 0), "every step stands in the record"
    assert np.all(record.measurements.seconds > 0), "and the time that each took, in whichever attempt"
    (curve,) = (killed / "tensorboard" / "s1-short").glob("*tfevents*")
    losses = [(event.step, scalars["train/loss"]) for event, scalars in scalars_of(curve) if "train/loss" in scalars]
    assert losses == list(enumerate(record.losses.tolist(), start=1)), "one curve over three attempts, each step once"
    traces = (killed / "tensorboard" / "s1-short" / "plugins" / "profile").glob("*/*.xplane.pb")
    assert f"a3-steps-{STEPS}-{STEPS}" in {trace.parent.name for trace in traces}
    assert [each.step for each in expected.validations] == [3, 6, 9, 12, 15, 18, 21, STEPS]
    assert record.validations == expected.validations[2:], "the first attempt had none, which changed nothing else"
    assert final.validation_loss == undisturbed.validation_loss == pytest.approx(record.validations[-1].loss)
    assert record.validations[-1].loss < record.validations[0].loss - 0.1, "held-out documents have the structure of the others"
    assert json.loads((killed / "s1-short" / "a2" / "origin.json").read_text())["step"] == EVERY
    assert [path.name for path in (killed / "s1-short" / "a1").iterdir()] == ["origin.json"], "earlier attempts are pruned to their origin"


def test_a_data_position_off_by_one_is_noticed(folder: Path, undisturbed: FinalReport, killed: Path) -> None:
    """The control: the comparison above can fail."""
    start = {"earlierAttempts": [1]}
    run = stage(folder, "killed", attempt=9, start=start)
    keep = {"checkpoint": {"root": str(folder / "killed"), "saveIntervalSteps": 1000, "maxToKeep": 2}}
    with Gang(run | keep, folder / "killed-9", command=patched(next_batch)) as gang:
        final = gang.final()
    assert final.record_hash != undisturbed.record_hash
    assert final.state_hash != undisturbed.state_hash


def test_the_next_stage_starts_from_the_commit_on_another_mesh(folder: Path, undisturbed: FinalReport) -> None:
    next_stage = {
        "stage": "longer",
        "stageIndex": 1,
        "stageCount": 2,
        "mesh": {"fsdp": 2, "tp": 2},
        "contextLength": 128,
        "ropeTheta": 40000.0,
        "start": {"stageCheckpoint": undisturbed.checkpoint},
        "steps": 2,
    }
    run = stage(folder, "undisturbed") | next_stage
    alone = run | {"gang": run["gang"] | {"hosts": 1, "devicesPerHost": 4}}
    with Gang(alone, folder / "longer") as gang:
        final = gang.final()
        assert gang.steps()[0]["loss"] < 4.0, "the parameters come from the stage before: a fresh model starts at 6.2"
    assert "/s2-longer/a1/2" in final.checkpoint


def test_another_split_of_the_sequence_goes_on_from_the_commit_with_the_same_losses(folder: Path, undisturbed: FinalReport) -> None:
    shutil.copytree(folder / "undisturbed", folder / "split")
    start = {"earlierAttempts": [1], "rollbacks": [{"attempt": 2, "step": 2 * EVERY}]}
    run = stage(folder, "split", attempt=2, start=start, mesh={"sp": 4, "ulysses": 1})
    with Gang(run, folder / "split-2") as gang:
        final = gang.final()
        assert gang.steps()[0]["step"] == 2 * EVERY + 1
        assert "mesh.sp 4 = ring 4 x ulysses 1, as mesh.ulysses says" in gang.output()
    chosen, given = (read_manifest(end.checkpoint).mesh for end in (undisturbed, final))
    assert (chosen.ulysses, given.ulysses) == (2, 1), "what is absent in the run config was chosen before it came into the manifest"
    expected, resumed = (read_record(end.checkpoint, STEPS) for end in (undisturbed, final))
    np.testing.assert_allclose(resumed.losses, expected.losses, rtol=1e-4)
    assert final.state_hash != undisturbed.state_hash, "another split adds in another order"


def test_a_gate_that_is_not_met_keeps_the_commit_and_is_met_again_or_waived(folder: Path, undisturbed: FinalReport) -> None:
    """The attempt that was killed at the gate has nothing left to train: it comes to the same end."""
    shutil.copytree(folder / "undisturbed", folder / "gated")
    loss = undisturbed.validation_loss
    assert loss is not None
    alone = {"hosts": 1, "devicesPerHost": 4}

    def end(attempt: int, most: float, *, waived: bool = False) -> Gang:
        start = {"earlierAttempts": list(range(attempt - 1, 0, -1)), "gateWaived": waived}
        run = stage(folder, "gated", attempt=attempt, start=start, gate={"maxValidationLoss": most})
        return Gang(run | {"gang": run["gang"] | alone}, folder / f"gated-{attempt}")

    with end(2, loss - 0.01) as gang:
        assert gang.wait() == [ExitCode.GATE_FAILED], gang.output()
        expected = f"validation loss {loss:.4f} is above gate.maxValidationLoss {loss - 0.01:g} (held-out text {loss:.4f})"
        assert (gang.last_words().reason, gang.last_words().message, gang.last_words().step) == ("GateFailed", expected, STEPS)
    with end(3, loss - 0.01, waived=True) as gang:
        assert gang.final() == undisturbed.model_copy(update={"checkpoint": str(folder / "gated" / "s1-short" / "a1" / str(STEPS))})
    with end(4, loss) as gang:
        assert gang.final().validation_loss == loss


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"mesh": {"sp": 3}}, ExitCode.BAD_CONFIG, "mesh: dp 1 x fsdp 1 x tp 1 x sp 3 = 3 devices, but the accelerator has 2"),
        ({"tokenizer": "/nowhere/tokenizer.json"}, ExitCode.BAD_DATA, "/nowhere/tokenizer.json"),
        (
            {"model": {"layers": 2, "width": 64, "heads": 2, "kvHeads": 2, "headDim": 16, "mlpWidth": 128, "vocabSize": 512}},
            ExitCode.BAD_CHECKPOINT,
            "model.heads is 4 in the checkpoint, but 2 in this run",
        ),
    ],
)
def test_what_cannot_work_ends_with_its_code_and_the_field(
    folder: Path, undisturbed: FinalReport, changes: dict[str, Any], code: ExitCode, words: str
) -> None:
    second = {"stageIndex": 1, "stageCount": 2, "mesh": {"sp": 2}, "start": {"stageCheckpoint": undisturbed.checkpoint}}
    run = stage(folder, "refused") | second | changes
    alone = run | {"gang": run["gang"] | {"hosts": 1}}
    with Gang(alone, folder / f"refused-{code}") as gang:
        assert gang.wait() == [code], gang.output()
        assert words in gang.last_words().message
