"""What an accelerator sets in its pods over the user's settings."""

from collections.abc import Collection, Mapping

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.platforms import gpu as gpus
from lwm_operator.platforms import tpu as tpus

CPU_THREADS_VARIABLE = "PJRT_NPROC"


def overriding_node_labels(accelerator: Accelerator) -> Mapping[str, str]:
    """Node labels that the pods select. Raises PlatformError for a TPU slice that does not exist."""
    if (tpu := accelerator.tpu) is not None:
        return tpus.selectors(tpu.family, tpu.topology, spot=tpu.spot, reservation=tpu.reservation, chips_per_host=tpu.chips_per_host)
    if accelerator.gpu is not None:
        return gpus.profile(accelerator.gpu.profile).node_selectors
    return {}


def overriding_variables(accelerator: Accelerator) -> Collection[str]:
    """Names of the environment variables that the accelerator sets."""
    if (tpu := accelerator.tpu) is not None:
        return tpus.environment(slices=tpu.slices, slice_index=0, coordinator="").keys()
    if (gpu := accelerator.gpu) is not None:
        return (gpu.nccl or {}).keys()
    return (CPU_THREADS_VARIABLE,)
