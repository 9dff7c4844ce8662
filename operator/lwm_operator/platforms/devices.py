"""The devices that an accelerator adds to the trainer container: extended resources and huge pages."""

from collections.abc import Mapping

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.platforms import gpu as gpus
from lwm_operator.platforms import tpu as tpus


def device_resources(accelerator: Accelerator) -> Mapping[str, int | str]:
    """Quantities by resource name, with equal requests and limits. Raises PlatformError for a TPU slice that does not exist."""
    if (tpu := accelerator.tpu) is not None:
        return {tpus.RESOURCE: tpus.slice_shape(tpu.family, tpu.topology, tpu.chips_per_host).chips_per_host}
    if (gpu := accelerator.gpu) is not None:
        return {gpu.resource: gpu.per_host, **gpus.profile(gpu.profile).resources, **(gpu.rdma or {}), **(gpu.hugepages or {})}
    return {}
