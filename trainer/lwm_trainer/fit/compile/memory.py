"""HBM of one device, by kind, of a compiled train step."""

from typing import Any

import jax
import numpy as np

from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.hlo import Operation, Program, size

LARGEST = 12
"""Tensors that are listed."""

NO_BUFFER = {"parameter", "get-tuple-element", "tuple", "bitcast", "while", "conditional", "constant", "optimization-barrier"}
"""Operations whose result lies where another operation put it."""


class Tensor(Contract):
    """An array of the program that lies in HBM, on one device."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    origin: str
    """The JAX operation that makes it."""


class Memory(Contract):
    """Bytes of one device. `used` is the peak while a step runs: what is alive together, not the sum of all kinds."""

    parameters: int
    optimizer: int
    batch: int
    temporaries: int
    """used - parameters - optimizer - batch: activations, gradients, gathered weights, the compiled code."""
    used: int
    host: int
    """Of the host's memory for this device: what is offloaded."""
    largest: tuple[Tensor, ...] = ()
    """Of the temporaries; not all of them are alive together."""


def measure(compiled: Any, program: Program, state: Any, batch: Any) -> Memory:
    """`state` and `batch` are the abstract arguments that were compiled for.

    XLA's `peak_memory_in_bytes` is the largest sum of buffers alive together, arguments included. Its `temp_size_in_bytes` is no peak:
    it was above what libtpu says a v4 chip has (32.0 of 30.75 GiB) for a program that libtpu accepts.

    A CPU's peak leaves all temporaries out. They are one buffer there, as large as `temp_size_in_bytes` says, and a process that runs
    the step comes to hold it: tests/processes/test_step_memory.py.
    """
    stats: Any = compiled.memory_analysis()
    peak = stats.peak_memory_in_bytes
    if _platform(state) == "cpu":
        peak = stats.argument_size_in_bytes + stats.temp_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes
    parameters, optimizer, inputs = (_local_bytes(tree) for tree in (state["params"], state["optimizer"], batch))
    arguments = parameters + optimizer + inputs
    used = max(peak, arguments) + stats.generated_code_size_in_bytes
    return Memory(
        parameters=parameters,
        optimizer=optimizer,
        batch=inputs,
        temporaries=used - arguments,
        used=used,
        host=stats.host_temp_size_in_bytes + stats.host_argument_size_in_bytes,
        largest=largest(program),
    )


def largest(program: Program) -> tuple[Tensor, ...]:
    """The largest arrays that operations outside fusions write to HBM; of equal shapes that come from one operation, one."""
    inside = {name for each in program.everywhere() if each.code == "fusion" for name in each.called}
    found: dict[tuple[str, tuple[int, ...], str], Tensor] = {}
    for name, operations in program.computations.items():
        if name in inside:
            continue
        for each in operations:
            if each.code not in NO_BUFFER:
                for tensor in _written(each):
                    found.setdefault((tensor.dtype, tensor.shape, tensor.origin), tensor)
    ordered = sorted(found.values(), key=lambda tensor: -tensor.bytes)
    return tuple(ordered[:LARGEST])


def _written(operation: Operation) -> list[Tensor]:
    return [
        Tensor(dtype=dtype, shape=shape, bytes=size(dtype, shape), origin=operation.origin)
        for dtype, shape, space in operation.arrays
        if not space
    ]


def _platform(tree: Any) -> str:
    """Of the devices that it was compiled for."""
    return str(next(iter(jax.tree.leaves(tree)[0].sharding.device_set)).platform)


def _local_bytes(tree: Any) -> int:
    """Of the arrays' shards on one device."""
    leaves = jax.tree.leaves(tree)
    return sum(int(np.prod(leaf.sharding.shard_shape(leaf.shape))) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
