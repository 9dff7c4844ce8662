"""The ports that an attempt's pods listen on."""

import hashlib
from dataclasses import dataclass

from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.platforms import gpu as gpus
from lwm_trainer.config import COORDINATOR_PORT, METRICS_PORT

HOST_PORTS = range(20_000, 30_000)
"""Ports on the host network: below the usual ranges of NodePorts and of the kernel's own choices, above those of most daemons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports of host 0."""

    coordinator: int
    metrics: int


def uses_host_network(attempt: AttemptSpec) -> bool:
    gpu = attempt.accelerator.gpu
    return gpu is not None and gpus.profile(gpu.profile).host_network


def attempt_ports(attempt: AttemptSpec) -> Ports:
    """Fixed ports in a pod's own network. On the host network, where gangs share a node's ports, a pair that differs by attempt.

    Two attempts on one node have the same pair once in 5,000 times. Then the later one fails to open its port, and its next attempt has
    another pair.
    """
    if not uses_host_network(attempt):
        return Ports(coordinator=COORDINATOR_PORT, metrics=METRICS_PORT)
    digest = hashlib.sha256(f"{attempt.training.metadata.uid}/{attempt.stage}/{attempt.attempt}".encode()).digest()
    first = HOST_PORTS.start + 2 * (int.from_bytes(digest[:8], "big") % (len(HOST_PORTS) // 2))
    return Ports(coordinator=first, metrics=first + 1)
