import numpy as np

from lwm_trainer.record import Record


def test_the_record_keeps_the_very_bits_and_a_step_done_twice_stands_once() -> None:
    record = Record.empty(3)
    record.add(0, 1.1, 2.2, 5)
    record.add(1, 3.3, 4.4, 6)
    before = record.hash()
    record.add(1, 3.3, 4.4, 6)
    assert record.hash() == before
    assert record.losses[1] == np.float32(3.3)
    record.add(1, float(np.nextafter(np.float32(3.3), np.float32(4))), 4.4, 6)
    assert record.hash() != before


def test_a_copy_is_not_changed_by_later_steps() -> None:
    record = Record.empty(2)
    copy = record.copy()
    record.add(0, 1.0, 1.0, 1)
    assert copy["loss_bits"][0] == 0
