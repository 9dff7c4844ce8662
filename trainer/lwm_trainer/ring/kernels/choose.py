"""Which backend a device runs. Backends are imported late, because an image for one platform lacks the libraries of others."""

import jax

from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.kernels.protocol import AttentionBackend


def choose_backend(device: jax.Device) -> AttentionBackend:
    """The backend for devices like this one: kernels on a TPU or GPU, plain XLA elsewhere. The device may be a description only."""
    if device.platform == "tpu":
        from lwm_trainer.ring.kernels.splash import Splash

        return Splash()
    if device.platform == "gpu":
        from lwm_trainer.ring.kernels.gpu import gpu_backend

        return gpu_backend(device)
    return Blockwise()
