"""Which inner loop a device runs. Imported late: an image for one platform has the libraries of that platform only."""

import jax

from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.kernels.protocol import Inner


def choose(device: jax.Device) -> Inner:
    """The inner loop for devices like this one, also one that is only described: kernels on a TPU or GPU, plain XLA elsewhere."""
    if device.platform == "tpu":
        from lwm_trainer.ring.kernels.splash import Splash

        return Splash()
    if device.platform == "gpu":
        from lwm_trainer.ring.kernels.gpu import for_device

        return for_device(device)
    return Blockwise()
