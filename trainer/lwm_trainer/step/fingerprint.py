"""Hashes of arrays that are sharded over many devices, equal on any mesh: sums of mixed bits modulo 2^32, whose order does not matter."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

_PRIMES = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)
_HASHES = 2
"""How many independent 32-bit hashes an array has."""


def _mix(x: Array) -> Array:
    """A bijection of uint32 that lets every input bit reach every output bit (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _element_index(shape: tuple[int, ...]) -> Array:
    """The index of each element in C order, uint32, computed axis by axis so that it is sharded like the array."""
    index, stride = jnp.zeros(shape, jnp.uint32), 1
    for axis in reversed(range(len(shape))):
        index = index + jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride % 2**32)
        stride *= shape[axis]
    return index


def _bits(x: Array) -> Array:
    if x.dtype == jnp.float32:
        return jax.lax.bitcast_convert_type(x, jnp.uint32)
    if x.dtype == jnp.bfloat16:
        return jax.lax.bitcast_convert_type(x, jnp.uint16).astype(jnp.uint32)
    return x.astype(jnp.uint32)


def array_hash(x: Array, salt: int) -> Array:
    """uint32[2]: two independent 32-bit hashes of the bits of `x` and their indices."""
    hashes = (_HASHES, *(1 for _ in x.shape))  # both in one kernel: a kernel each would compile twice as long
    primes, salts = jnp.uint32(_PRIMES[:_HASHES]), jnp.uint32([(salt * _HASHES + number) % 2**32 for number in range(_HASHES)])
    key = _mix(_element_index(x.shape) * primes.reshape(hashes) + salts.reshape(hashes))
    return _mix(_bits(x) ^ key).sum(axis=tuple(range(1, x.ndim + 1)), dtype=jnp.uint32)


def tree_hash(tree: Any) -> Array:
    """uint32[2] of a whole tree of arrays; the order of the leaves counts."""
    total = jnp.zeros(2, jnp.uint32)
    for number, leaf in enumerate(jax.tree.leaves(tree)):
        total = _mix(total * jnp.uint32(_PRIMES[2]) + array_hash(jnp.asarray(leaf), number + 1))
    return total


def batch_hash(index_BT: Array, *values_BT: Array) -> Array:
    """uint32 of a batch's values by row and place in the row (`index_BT`), whatever the order of columns."""
    rows = jax.lax.broadcasted_iota(jnp.uint32, index_BT.shape, 0)
    key = _mix(index_BT.astype(jnp.uint32) * jnp.uint32(_PRIMES[0]) + rows * jnp.uint32(_PRIMES[3]))
    for value in values_BT:
        key = _mix(key ^ (_bits(value) * jnp.uint32(_PRIMES[1])))
    return key.sum(dtype=jnp.uint32)


def to_hex(value: Any) -> str:
    """A `tree_hash` as 16 hexadecimal digits."""
    high, low = (int(part) for part in value)
    return f"{high:08x}{low:08x}"
