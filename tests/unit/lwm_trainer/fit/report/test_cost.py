from lwm_trainer.fit.report.cost import Cost


def test_a_sum_is_said_with_its_band_and_its_price() -> None:
    cost = Cost(1.5, 96) + Cost(0.5, 32)
    assert cost.words(None) == "2 hours (1 to 4), 128 chip-hours (64 to 256)"
    assert cost.words(10).endswith(", for 1,280 (640 to 2,560)")
