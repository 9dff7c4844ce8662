"""Joins the gang: one process per host, with addresses from the run config and no detection."""

import time

import jax
import orbax.checkpoint as ocp

from lwm_trainer import config
from lwm_trainer.parallel import compile_cache, coordinator, devices

HEARTBEAT_SECONDS = 30
"""A frozen or unreachable peer is noticed within this time: JAX then aborts every process of the gang with 134."""

_LEAST_SECONDS = 30
"""A process that waited long for the coordinator still gives the other processes this time."""


def join(run: config.RunConfig, index: int) -> None:
    """Join the gang of a training as host `index`: see `join_gang`."""
    join_gang(run.gang, index, run.compile_cache)


def join_gang(gang: config.Gang, index: int, cache: str | None) -> None:
    """Set the platform up and join the gang as host `index`; returns when every process is there. `cache`: of compiled programs.

    With `JAX_PLATFORMS=cpu` a gang of TPU or GPU hosts rehearses on as many CPU devices. Raises `PlatformMissingError` when
    the image, `DevicesMissingError` when the host lacks what its platform needs, and the errors of `coordinator`.

    Cluster detection is off: it would load Kubernetes credentials although every address is given. When the coordinator answers, but a
    peer never comes, JAX aborts the process with 134 after `config.RENDEZVOUS_SECONDS`.
    """
    address = gang.coordinator
    devices.prepare(gang, index)
    if cache is not None:
        compile_cache.use(cache)
        if devices.on_cpu(gang):
            compile_cache.write_from_every_process()
    coordinator.bypass_proxies()
    jax.config.update("jax_check_proxy_envs", False)  # JAX would warn of proxies that nobody uses
    begin = time.monotonic()
    if index == 0:
        coordinator.require_free_port(address)
    else:
        coordinator.wait_for_coordinator(address, config.RENDEZVOUS_SECONDS)
    jax.distributed.initialize(
        coordinator_address=address,
        num_processes=gang.hosts,
        process_id=index,
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        coordinator_bind_address=f"[::]:{address.rpartition(':')[2]}",
        initialization_timeout=max(_LEAST_SECONDS, config.RENDEZVOUS_SECONDS - int(time.monotonic() - begin)),
    )
    devices.check(gang)


def decision_of_process_0(step: int, decision: bool) -> bool:
    """What process 0 decided after a step. Every process asks, each step once. Devices are not involved, so that no step waits."""
    if jax.process_count() == 1:
        return decision
    client, key = ocp.multihost.get_jax_distributed_client(), f"lwm-save/{step}"
    if jax.process_index() == 0:
        client.key_value_set(key, str(int(decision)))
        return decision
    return bool(int(client.blocking_key_value_get(key, config.RENDEZVOUS_SECONDS * 1000)))


def barrier(name: str) -> None:
    """Wait for every process at a named point, `config.RENDEZVOUS_SECONDS` at most.

    Needed before the first run of a program that communicates: Gloo gives the peers 30 s to come, but one may compile for longer.
    """
    ocp.multihost.get_barrier_sync_fn()(key=name, timeout_ms=config.RENDEZVOUS_SECONDS * 1000)
