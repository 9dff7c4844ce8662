import hashlib
import math
import struct

import numpy as np
import pytest

from lwm_trainer.checkpoint.training_record import Record
from support.builders import a_step_report


def test_the_record_keeps_the_very_bits_and_a_step_done_twice_stands_once() -> None:
    record = Record.empty(3)
    record.add(a_step_report(1, loss=1.1, grad_norm=2.2, tokens_hash=5))
    record.add(a_step_report(2, loss=3.3, grad_norm=4.4, tokens_hash=6))
    before = record.hash()
    record.add(a_step_report(2, loss=3.3, grad_norm=4.4, tokens_hash=6))
    assert record.hash() == before
    assert record.losses[1] == np.float32(3.3)
    record.add(a_step_report(2, loss=float(np.nextafter(np.float32(3.3), np.float32(4))), grad_norm=4.4, tokens_hash=6))
    assert record.hash() != before


def test_how_long_a_step_took_is_kept_and_no_part_of_the_hash() -> None:
    slow, fast = Record.empty(2), Record.empty(2)
    slow.add(a_step_report(2, seconds=9.0))
    fast.add(a_step_report(2, seconds=1.0))
    assert slow.hash() == fast.hash()
    assert (slow.measurements.seconds.tolist(), fast.measurements.seconds.tolist()) == ([0.0, 9.0], [0.0, 1.0])
    copy = slow.measurements.copy()
    slow.measurements.add(a_step_report(1, seconds=3.0))
    assert copy["seconds"].tolist() == [0.0, 9.0]


def test_a_copy_is_not_changed_by_later_steps() -> None:
    record = Record.empty(2)
    copy = record.copy()
    record.add(a_step_report(1))
    assert copy["loss_bits"][0] == 0


def test_each_modality_s_loss_is_kept_and_hashed_where_there_is_a_vision_vocabulary() -> None:
    record = Record.empty(2, vision=True)
    record.add(a_step_report(1, modality_losses={"text": 4.0, "vision": math.nan}))
    assert record.modality_losses("text").tolist() == [4.0, 0.0]
    assert np.isnan(record.modality_losses("vision")[0])
    before = record.hash()
    record.add(a_step_report(1, modality_losses={"text": 4.0, "vision": 5.0}))
    assert record.hash() != before
    assert record.copy().keys() == record.arrays.keys()


def test_a_text_s_record_holds_and_hashes_what_it_always_did() -> None:
    record = Record.empty(1)
    record.add(a_step_report(1, loss=1.5, grad_norm=2.5, tokens_hash=7))
    assert record.hash() == hashlib.sha256(struct.pack("<ffI", 1.5, 2.5, 7)).hexdigest()
    with pytest.raises(KeyError):
        record.modality_losses("text")


def test_the_skipped_steps_of_a_stage_that_skips_are_kept_and_hashed() -> None:
    record = Record.empty(2, skips=True)
    record.add(a_step_report(1, skipped=False))
    before = record.hash()
    record.add(a_step_report(1, skipped=True))
    assert record.skipped.tolist() == [1, 0]
    assert record.hash() != before
