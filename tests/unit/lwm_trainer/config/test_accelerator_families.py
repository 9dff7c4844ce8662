from typing import get_args

import pytest

from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES
from lwm_trainer.config.accelerator_families import TPU_FAMILIES, TpuFamilyName


def test_every_family_has_figures_and_topologies_on_gke() -> None:
    assert tuple(TPU_FAMILIES) == tuple(GKE_TPU_FAMILIES) == get_args(TpuFamilyName)


@pytest.mark.parametrize(("name", "both_ways"), [("v5e", 4e11), ("v5p", 1.2e12), ("v6e", 8e11), ("v7x", 1.2e12)])
def test_the_links_of_a_chip_sum_to_its_published_rate_both_ways(name: str, both_ways: float) -> None:
    chip = TPU_FAMILIES[name]
    assert 2 * 2 * chip.dimensions * chip.ici_rate == both_ways


@pytest.mark.parametrize("name", TPU_FAMILIES)
def test_rates_fall_from_hbm_over_the_torus_to_the_data_center(name: str) -> None:
    device = TPU_FAMILIES[name].device
    assert device.hbm_rate > device.links * device.ici_rate > device.host_rate > device.dcn_rate
    assert TPU_FAMILIES[name].sources


@pytest.mark.parametrize("name", TPU_FAMILIES)
def test_the_devices_of_a_chip_share_its_figures(name: str) -> None:
    chip = TPU_FAMILIES[name]
    assert chip.devices_per_chip == (2 if name == "v7x" else 1)
    assert (chip.device.flops, chip.device.hbm_bytes) == (chip.flops / chip.devices_per_chip, chip.hbm_bytes / chip.devices_per_chip)
    assert 0.9 * chip.device.hbm_bytes < chip.usable_hbm_bytes < chip.device.hbm_bytes
