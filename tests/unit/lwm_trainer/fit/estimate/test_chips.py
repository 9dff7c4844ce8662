import pytest

from lwm_operator.platforms.tpu_families import FAMILIES
from lwm_trainer.fit.estimate.chips import CHIPS


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_agrees_with_the_familys_figures_of_the_operator(name: str) -> None:
    chip, family = CHIPS[name], FAMILIES[name]
    assert (chip.hbm_bytes, chip.dimensions) == (family.hbm_bytes_per_chip, family.dimensions)
    assert family.devices_per_chip == 1, "one JAX device is one chip"


@pytest.mark.parametrize(("name", "both_ways"), [("v5e", 4e11), ("v5p", 1.2e12), ("v6e", 8e11)])
def test_the_links_of_a_chip_sum_to_its_published_rate_both_ways(name: str, both_ways: float) -> None:
    chip = CHIPS[name]
    assert 2 * chip.links * chip.ici_rate == both_ways


def test_rates_fall_from_hbm_over_the_torus_to_the_data_center() -> None:
    for chip in CHIPS.values():
        assert chip.hbm_rate > chip.links * chip.ici_rate > chip.host_rate > chip.dcn_rate
        assert chip.sources
