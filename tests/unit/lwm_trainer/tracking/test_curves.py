"""Which numbers a step's point has, and that points depend on the record alone."""

import numpy as np
import pytest

from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import RunConfig, ValidationLoss
from lwm_trainer.tracking.curves import SCALARS, Curves
from lwm_trainer.tracking.utilization import Utilization
from support.builders import a_run, a_step_report

RATES = np.asarray([0.1, 0.2, 0.3, 0.4], np.float32)


def a_record(run: RunConfig, steps: int) -> Record:
    record = Record.empty_of(run)
    for step in range(1, steps + 1):
        numbers = {"loss": 5.0 - step, "grad_norm": step / 4, "seconds": 0.5, "data_wait_seconds": 0.125, "batch_tokens": 256}
        record.add(a_step_report(step, **numbers, finished_at=1e9 + step))
    return record


def test_a_point_has_the_record_s_numbers_and_the_throughput() -> None:
    run = a_run(steps=4, batch_tokens=512)
    (point,) = Curves(run, a_record(run, 2), RATES, None).points(1, 2)
    assert (point.step, point.finished_at) == (2, 1e9 + 2)
    assert point.scalars == {
        "train/loss": 3.0,
        "train/grad_norm": 0.5,
        "train/learning_rate": float(RATES[1]),
        "train/tokens": 512.0,
        "throughput/step_seconds": 0.5,
        "throughput/tokens_per_second": 512.0,
        "throughput/fill": 0.5,
        "train/param_norm": 8.0,
        "throughput/data_wait_seconds": 0.125,
    }


def test_points_in_parts_are_the_points_at_once() -> None:
    run = a_run(steps=4, optimizer={"skip_spikes": {"factor": 2.0, "window": 2}})
    record = a_record(run, 4)
    record.arrays["skipped"][1] = 1
    curves = Curves(run, record, RATES, 1e12)
    whole = list(curves.points(0, 4))
    assert [*curves.points(0, 1), *curves.points(1, 3), *curves.points(3, 4)] == whole
    # A skipped step leaves the optimizer as it is, so the next one has the same learning rate.
    assert [point.scalars["train/learning_rate"] for point in whole] == pytest.approx([0.1, 0.2, 0.2, 0.3])


def test_mfu_has_both_definitions_where_the_peak_is_known() -> None:
    run = a_run(steps=4)
    (point,) = Curves(run, a_record(run, 1), RATES, 1e12).points(0, 1)
    share = Utilization(run, 1e12).of_step(0.5)
    assert (point.scalars["throughput/mfu"], point.scalars["throughput/mfu_parameters"]) == (share["model"], share["parameters"])


def test_steps_of_a_trainer_without_timings_have_none_and_count_no_tokens() -> None:
    run = a_run(steps=4)
    record = a_record(run, 2)
    for array in record.measurements.arrays.values():
        array[0] = 0
    first, second = Curves(run, record, RATES, None).points(0, 2)
    assert first.scalars.keys() == {"train/loss", "train/grad_norm", "train/learning_rate"}
    assert "train/tokens" not in second.scalars
    assert second.scalars["throughput/step_seconds"] == 0.5


def test_validations_stand_at_their_steps_one_before_the_first_too_and_a_modality_without_targets_is_left_out() -> None:
    run = a_run(steps=4, model={**a_run().model.model_dump(), "vision": {"vocab_size": 64}})
    record = a_record(run, 2)
    record.add(a_step_report(1, modality_losses={"text": 4.0, "vision": float("nan")}))
    record.validations += [ValidationLoss(step=step, dataset="held", modality="text", loss=9.0, targets=1, positions=()) for step in (0, 2)]
    before, first, second = Curves(run, record, RATES, None).points(0, 2)
    assert (before.step, before.scalars) == (0, {"validation/held/text_loss": 9.0})
    assert first.scalars["train/text_loss"] == 4.0
    assert "train/vision_loss" not in first.scalars
    assert second.scalars["validation/held/text_loss"] == 9.0


def test_every_scalar_has_a_meaning() -> None:
    run = a_run(steps=4, model={**a_run().model.model_dump(), "vision": {"vocab_size": 64}}, optimizer={"skip_spikes": {"window": 2}})
    record = a_record(run, 1)
    record.validations += [ValidationLoss(step=1, dataset="<data set>", modality="<modality>", loss=9.0, targets=1, positions=())]
    record.measurements.arrays["save_seconds"][0] = record.measurements.arrays["memory_peak_bytes"][0] = 1.0
    (point,) = Curves(run, record, RATES, 1e12).points(0, 1)
    assert point.scalars.keys() == SCALARS.keys()
