"""Configures JAX for the host's platform before it looks for devices, and checks afterwards that they are there."""

import os
from importlib.util import find_spec

import jax

from lwm_trainer.config import ErrorReason, ExitCode, Gang
from lwm_trainer.config.runtime_flags import runtime_environment

PLATFORMS_VARIABLE = "JAX_PLATFORMS"
"""Set to `cpu` by a user, it makes a gang of TPU or GPU hosts run on as many CPU devices, to rehearse a training."""

RUNTIMES = {"gpu": "jax_cuda12_plugin", "tpu": "libtpu"}
"""The Python module with each platform's runtime."""


class PlatformMissingError(Exception):
    """The image was not built for the platform of the spec."""

    code = ExitCode.BAD_CONFIG
    reason = ErrorReason.PLATFORM_MISSING


class DevicesMissingError(Exception):
    """This host lacks devices; another one may have them."""

    code = ExitCode.TRANSIENT
    reason = ErrorReason.DEVICES_MISSING


def on_cpu(gang: Gang) -> bool:
    """Whether the gang trains on CPU devices, by its platform or to rehearse."""
    return gang.platform == "cpu" or os.environ.get(PLATFORMS_VARIABLE) == "cpu"


def prepare(gang: Gang, index: int) -> None:
    """Configure the platform, before JAX looks for devices, because libtpu and XLA read their environment once.

    Raises PlatformMissingError.
    """
    if on_cpu(gang):
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", gang.devices_per_host)
        return
    if find_spec(RUNTIMES[gang.platform]) is None:
        raise PlatformMissingError(
            f"accelerator.type {gang.platform}: this image has no {RUNTIMES[gang.platform]}: use one built with "
            f"--build-arg ACCELERATOR={gang.platform}"
        )
    os.environ |= runtime_environment(gang.platform, os.environ)
    if gang.platform == "gpu":
        jax.config.update("jax_platforms", "cuda")
    else:
        jax.config.update("jax_platforms", "tpu")
        for name, value in tpu_variables(gang, index).items():
            os.environ.setdefault(name, value)


def tpu_variables(gang: Gang, index: int) -> dict[str, str]:
    """Variables by which libtpu finds the other hosts of the slice. GKE sets the same ones on slices of several hosts; its values win."""
    which, inside = divmod(index, gang.hosts_per_slice)
    first = which * gang.hosts_per_slice
    names = [gang.address(first + host) for host in range(gang.hosts_per_slice)] if gang.hosts_per_slice > 1 else ["localhost"]
    return {"TPU_WORKER_ID": str(inside), "TPU_WORKER_HOSTNAMES": ",".join(names)}


def check(gang: Gang) -> None:
    """Check that this host has its devices, after the gang has met. Raises DevicesMissingError."""
    try:
        count, reason = jax.local_device_count(), ""
    except (RuntimeError, AssertionError) as error:  # JAX's own assertion where the driver kept a plugin from starting
        count, reason = 0, f" ({str(error).strip().splitlines()[0]})" if str(error).strip() else ""
    if count != gang.devices_per_host:
        raise DevicesMissingError(
            f"accelerator.type {gang.platform}: JAX finds {count} devices on this host instead of {gang.devices_per_host}{reason}: look at "
            f"the node's device plugin and driver; if every node is like this, correct the accelerator's numbers"
        )
