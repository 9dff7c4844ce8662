"""Seconds of calls that run in turn, beside the speed of a plain matrix product in the same minute.

On a shared machine that product moves by a factor of two within minutes: a time without it means nothing.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

GEMM_SIZE = 2048
GEMM_FLOPS = 2.0 * GEMM_SIZE**3
WARM_UP = 3
"""With more rounds than this the first does not count."""
LIMIT_SHARE = 0.03
"""Share of a call's time that the matrix product gets after it: a long call is not compared with one lucky moment."""

Call = Callable[[], Any]


class Round(NamedTuple):
    """One turn of each."""

    seconds: dict[str, float]
    limit: float
    """FLOP/s of the matrix product: the median of those before, between and after the others."""


seen_limits: list[float] = []
"""FLOP/s of the matrix product in every round of this process, for the header."""


def rounds(calls: Mapping[str, Call], budget: float, least: int = 2, most: int = 7) -> tuple[list[Round], dict[str, Any]]:
    """Turns of all calls, as many as fit into `budget` seconds, every second one backwards; and what each call gave in the first."""
    began = time.monotonic()
    done: list[Round] = []
    first: dict[str, Any] = {}
    while len(done) < most and (len(done) < least or (time.monotonic() - began) * (len(done) + 1) / len(done) <= budget):
        seconds, limits = {}, [limit()]
        for name in [*calls][:: -1 if len(done) % 2 else 1]:
            seconds[name], result = timed(calls[name])
            first.setdefault(name, result)
            limits.append(limit(LIMIT_SHARE * seconds[name]))
        done.append(Round(seconds, statistics.median(limits)))
        seen_limits.append(done[-1].limit)
    return (done[1:] if len(done) > WARM_UP else done), first


def timed(call: Call) -> tuple[float, Any]:
    """Seconds of a call, and its result."""
    began = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - began, result


def seconds(done: Sequence[Round], name: str) -> float:
    return statistics.median(turn.seconds[name] for turn in done)


def ratio(done: Sequence[Round], better: str, than: str) -> float:
    """Median over rounds of the seconds of `than` divided by those of `better`: other load disturbs both turns of a round alike."""
    return statistics.median(turn.seconds[than] / turn.seconds[better] for turn in done)


def percent_of_limit(done: Sequence[Round], name: str, flops: float) -> float:
    """Median over rounds of the speed, `flops` per second, in percent of the same round's matrix product."""
    return statistics.median(100 * flops / turn.seconds[name] / turn.limit for turn in done)


def limit(least_seconds: float = 0.0) -> float:
    """FLOP/s of float32 matrix products over the next `least_seconds`, of one at least."""
    product, took, count = _product(), 0.0, 0
    while not count or took < least_seconds:
        took += timed(product)[0]
        count += 1
    return count * GEMM_FLOPS / took


@cache
def _product() -> Call:
    """The product on one device that uses all cores, or spread over all devices: whichever is faster here."""
    one = jax.device_put(jnp.ones((GEMM_SIZE, GEMM_SIZE), jnp.float32), jax.devices()[0])
    mesh = jax.make_mesh((len(jax.devices()),), ("x",))
    split, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("x", None), ()))
    left, right = jax.device_put(one, split), jax.device_put(one, whole)
    on_one = jax.jit(jnp.matmul).lower(one, one).compile()
    on_all = jax.jit(jnp.matmul, out_shardings=split).lower(left, right).compile()
    choices: list[Call] = [lambda: on_one(one, one), lambda: on_all(left, right)]
    for call in choices:
        timed(call)
    return min(choices, key=lambda call: min(timed(call)[0] for _ in range(3)))


def device() -> dict[str, Any]:
    """The part of the header that does not change during the run."""
    devices = jax.devices()
    return {"kind": devices[0].device_kind, "count": len(devices), "cores": os.cpu_count(), "jax": jax.__version__}


def load(at_start: float) -> dict[str, Any]:
    """How busy the machine was, and what a matrix product got."""
    gflops = sorted(value / 1e9 for value in seen_limits)
    gemm = {"gemm_gflops": statistics.median(gflops), "gemm_gflops_least": gflops[0], "gemm_gflops_most": gflops[-1]} if gflops else {}
    return {"average_at_start": at_start, "average_at_end": os.getloadavg()[0], **gemm}
