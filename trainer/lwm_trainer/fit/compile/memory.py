"""The HBM of one device that a compiled train step uses, by kind."""

from typing import Any

import jax
import numpy as np

from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.hlo import HloProgram, Operation, array_bytes

LISTED = 12
"""Tensors that are listed."""

NO_BUFFER = {"parameter", "get-tuple-element", "tuple", "bitcast", "while", "conditional", "constant", "optimization-barrier"}
"""Operations whose result is the buffer of another operation."""


class Tensor(Contract):
    """An array of the program in HBM, on one device."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    origin: str
    """Path of the JAX operation that makes it; empty when XLA added it."""


class DeviceMemory(Contract):
    """Bytes of one device. `used` is the peak during a step: what is live at the same time."""

    parameters: int
    optimizer: int
    """The optimizer's state, and the average of the parameters where one is kept."""
    batch: int
    temporaries: int
    """used - parameters - optimizer - batch: activations, gradients, gathered weights, the compiled code."""
    used: int
    host: int
    """Memory of the host for this device, for what is offloaded."""
    largest: tuple[Tensor, ...] = ()
    """The largest temporaries; they are not all live at the same time."""


def device_memory(compiled: Any, program: HloProgram, state: Any, batch: Any) -> DeviceMemory:
    """Read the memory use of a compiled step. `state` and `batch` are the abstract arguments that it was compiled for.

    XLA's `peak_memory_in_bytes` is the largest sum of buffers live at the same time, arguments included. Its `temp_size_in_bytes` is not a
    peak: for a program that libtpu accepts for v4 it was above the HBM of the chip (32.0 of 30.75 GiB).

    On CPUs the peak does not include temporaries. There, they are one buffer of `temp_size_in_bytes`, which the process that runs the step
    comes to hold (tests/processes/test_step_memory.py).
    """
    stats: Any = compiled.memory_analysis()
    peak = stats.peak_memory_in_bytes
    if _platform(state) == "cpu":
        peak = stats.argument_size_in_bytes + stats.temp_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes
    parameters, optimizer, inputs = (
        _local_bytes(tree) for tree in (state["params"], {name: tree for name, tree in state.items() if name != "params"}, batch)
    )
    arguments = parameters + optimizer + inputs
    used = max(peak, arguments) + stats.generated_code_size_in_bytes
    return DeviceMemory(
        parameters=parameters,
        optimizer=optimizer,
        batch=inputs,
        temporaries=used - arguments,
        used=used,
        host=stats.host_temp_size_in_bytes + stats.host_argument_size_in_bytes,
        largest=largest_tensors(program),
    )


def largest_tensors(program: HloProgram) -> tuple[Tensor, ...]:
    """The largest arrays that operations outside fusions write to HBM, one for each shape and JAX operation."""
    fused = {name for operation in program.operations() if operation.code == "fusion" for name in operation.called}
    tensors: dict[tuple[str, tuple[int, ...], str], Tensor] = {}
    for name, operations in program.computations.items():
        if name in fused:
            continue
        for operation in operations:
            if operation.code not in NO_BUFFER:
                for tensor in _written(operation):
                    tensors.setdefault((tensor.dtype, tensor.shape, tensor.origin), tensor)
    ordered = sorted(tensors.values(), key=lambda tensor: -tensor.bytes)
    return tuple(ordered[:LISTED])


def _written(operation: Operation) -> list[Tensor]:
    """The arrays that an operation writes to HBM."""
    return [
        Tensor(dtype=dtype, shape=shape, bytes=array_bytes(dtype, shape), origin=operation.origin)
        for dtype, shape, space in operation.arrays
        if not space
    ]


def _platform(tree: Any) -> str:
    """The platform of the devices that the arrays are sharded over."""
    return str(next(iter(jax.tree.leaves(tree)[0].sharding.device_set)).platform)


def _local_bytes(tree: Any) -> int:
    """Bytes of the arrays' shards on one device."""
    leaves = jax.tree.leaves(tree)
    return sum(int(np.prod(leaf.sharding.shard_shape(leaf.shape))) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
