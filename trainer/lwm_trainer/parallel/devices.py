"""What a host's platform needs before JAX looks for its devices, and whether it then found them."""

import os
from importlib.util import find_spec

import jax

from lwm_trainer.config import ExitCode, Gang

REHEARSED = "JAX_PLATFORMS"
"""Set to `cpu` by a user, it lets a gang of TPU or GPU hosts run on CPU devices."""

RUNTIMES = {"gpu": "jax_cuda12_plugin", "tpu": "libtpu"}
"""The package that brings a platform's runtime."""


class PlatformMissingError(Exception):
    """The image was not built for the platform that the spec says."""

    code = ExitCode.BAD_CONFIG
    reason = "PlatformMissing"


class DevicesMissingError(Exception):
    """This host does not have the devices that it should: another one may."""

    code = ExitCode.TRANSIENT
    reason = "DevicesMissing"


def prepare(gang: Gang, index: int) -> None:
    """Before any device is looked for: libtpu and XLA read their environment once. Raises PlatformMissingError."""
    if gang.platform == "cpu" or os.environ.get(REHEARSED) == "cpu":
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", gang.devices_per_host)
        return
    if find_spec(RUNTIMES[gang.platform]) is None:
        raise PlatformMissingError(
            f"accelerator.type {gang.platform}: this image has no {RUNTIMES[gang.platform]}: use one built with "
            f"--build-arg ACCELERATOR={gang.platform}"
        )
    if gang.platform == "gpu":
        jax.config.update("jax_platforms", "cuda")
        # XLA keeps one permute in flight unless told: keys, values and both gradients of a ring's hop are four.
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"--xla_gpu_experimental_parallel_collective_overlap_limit=4 {flags}"
    else:
        jax.config.update("jax_platforms", "tpu")
        for name, value in tpu_variables(gang, index).items():
            os.environ.setdefault(name, value)


def tpu_variables(gang: Gang, index: int) -> dict[str, str]:
    """How libtpu finds the other hosts of the slice; GKE sets the same for slices of several hosts, and what it sets stays."""
    which, inside = divmod(index, gang.hosts_per_slice)
    first = which * gang.hosts_per_slice
    names = [gang.address(first + host) for host in range(gang.hosts_per_slice)] if gang.hosts_per_slice > 1 else ["localhost"]
    return {"TPU_WORKER_ID": str(inside), "TPU_WORKER_HOSTNAMES": ",".join(names)}


def check(gang: Gang) -> None:
    """After the gang has met: every host has its devices. Raises DevicesMissingError."""
    try:
        found, said = jax.local_device_count(), ""
    except (RuntimeError, AssertionError) as error:  # an assertion of JAX's own where the driver kept a plugin from starting
        found, said = 0, f" ({str(error).strip().splitlines()[0]})" if str(error).strip() else ""
    if found != gang.devices_per_host:
        raise DevicesMissingError(
            f"accelerator.type {gang.platform}: JAX finds {found} devices on this host instead of {gang.devices_per_host}{said}: look at "
            f"the node's device plugin and driver; if every node is like this, correct the accelerator's numbers"
        )
