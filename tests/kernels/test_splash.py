"""The TPU kernels, run by Pallas' simulation of a TPU, against plain XLA; memory that a kernel did not write reads as NaN there."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.experimental.pallas import tpu as pltpu
from numpy.typing import NDArray

from lwm_trainer.fit.estimate.step_time import BLOCK
from lwm_trainer.ring.kernels import softmax, splash
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.kernels.protocol import AttentionBackend, QueryResiduals, Shard
from lwm_trainer.ring.kernels.splash import Splash

TOKENS, WIDTH = 384, 64
SPLASH = Splash(largest_block=128, largest_compute=128)

Ranges = tuple[NDArray[np.int32], NDArray[np.int32]]


def documents(*edges: int, dead: slice = slice(0, 0)) -> Ranges:
    """Causal within documents that end at these tokens; no keys for tokens beyond the last and for those of `dead`."""
    low, high = np.zeros(TOKENS, np.int32), np.zeros(TOKENS, np.int32)
    for first, last in zip((0, *edges), edges, strict=False):
        low[first:last], high[first:last] = first, np.arange(first, last) + 1
    high[dead] = 0
    return low, high


def whole(dead: slice = slice(0, 0)) -> Ranges:
    """Every key for every token but those of `dead`, whose ranges lie the wrong way round."""
    low, high = np.zeros(TOKENS, np.int32), np.full(TOKENS, TOKENS, np.int32)
    low[dead], high[dead] = 300, 200
    return low, high


ROWS = {
    "odd edges, dead rows": [documents(1, 2, 63, 64, 130, 257, 383, TOKENS, dead=slice(300, 310)), whole(dead=slice(0, 200))],
    "one-token documents, padding": [documents(*range(1, TOKENS + 1)), documents(5, 100)],
}


@contextmanager
def simulated(steps: list[Any] | None = None) -> Iterator[None]:
    """Kernels run as on a TPU; `steps` receives the places of the grid that they visit."""

    def note(token: Any, place: Any, core: Any) -> Any:
        steps.append(place)  # type: ignore[union-attr]
        return token

    note_or_not = None if steps is None else note
    with pltpu.force_tpu_interpret_mode(pltpu.InterpretParams(uninitialized_memory="nan", grid_point_recorder=note_or_not)):
        yield


def example(rows: list[Ranges], heads: tuple[int, int], dtype: str = "float32") -> list[Any]:
    random = np.random.default_rng(0)
    shapes = [(len(rows), *heads, TOKENS, WIDTH), *[(len(rows), heads[0], TOKENS, WIDTH)] * 2, (len(rows), *heads, TOKENS, WIDTH)]
    arrays = [jnp.array(random.standard_normal(shape, dtype=np.float32), dtype) for shape in shapes]
    return [*arrays, *(jnp.array(np.stack(side)) for side in zip(*rows, strict=True))]


def attention(backend: AttentionBackend, q: Array, k: Array, v: Array, dout: Array, low: Array, high: Array) -> tuple[Array, ...]:
    """(output, log-sum-exp, gradients of q, k, v) of a ring of one hop."""
    out, lse = softmax.finish(backend.forward(softmax.empty(q), Shard(q, k, v, low, high)), jnp.dtype("float32"))
    delta = jnp.sum(out * dout.astype(jnp.float32), -1)
    return out, lse, *backend.backward(jnp.zeros_like(q, jnp.float32), Shard(q, k, v, low, high), QueryResiduals(lse, dout, delta))


def distances(inputs: list[Any]) -> list[float]:
    expected = jax.jit(partial(attention, Blockwise(128)))(*(x.astype(jnp.float32) for x in inputs[:4]), *inputs[4:])
    with simulated():
        actual = jax.jit(partial(attention, SPLASH))(*inputs)
    assert all(x.dtype == jnp.float32 and jnp.isfinite(x).all() for x in actual)
    return [float(jnp.abs(x - y).max() / jnp.abs(y).max()) for x, y in zip(actual, expected, strict=True)]


@pytest.mark.parametrize(
    ("rows", "heads", "dtype"),
    [("odd edges, dead rows", (2, 2), "float32"), ("one-token documents, padding", (1, 1), "bfloat16")],
)
def test_it_equals_plain_xla(rows: str, heads: tuple[int, int], dtype: str) -> None:
    """In bfloat16, too: q, k, v and dout are rounded before; what is computed from them is as exact as float32, and is float32."""
    assert max(distances(example(ROWS[rows], heads, dtype))) <= 1e-5


@pytest.mark.parametrize(("limit", "value"), [("MAX_KEYS", 128), ("MAX_BLOCKS", 3)])
def test_more_keys_or_blocks_than_one_call_takes(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go one by one, and the keys of a row in pieces."""
    monkeypatch.setattr(splash, limit, value)
    monkeypatch.setattr(splash, "MIN_KEY_BLOCKS", 1)
    assert max(distances(example(ROWS["odd edges, dead rows"], (1, 1)))) <= 1e-5


def test_blocks_that_no_query_sees_take_no_step() -> None:
    """Three documents of a block each: 3 of 9 blocks forward and backward; none forward when all is padding, and zeros backward."""
    steps: list[Any] = []
    see, pull = jax.jit(SPLASH.forward), jax.jit(SPLASH.backward)
    with simulated(steps):
        for rows, forward, backward in ((documents(128, 256, 384), 3, 3), (whole(dead=slice(None)), 0, 3)):
            q, k, v, dout, low, high = example([rows], (1, 1))
            steps.clear()
            carry = jax.block_until_ready(see(softmax.empty(q), Shard(q, k, v, low, high)))
            assert len(steps) == forward
            steps.clear()
            _, lse = softmax.finish(carry, jnp.dtype("float32"))
            grads = jax.block_until_ready(
                pull(jnp.zeros_like(q), Shard(q, k, v, low, high), QueryResiduals(lse, dout, jnp.zeros_like(lse)))
            )
            assert len(steps) == backward
    assert not any(np.asarray(x).any() for x in grads)


def test_blocks_of_both_passes_are_those_of_the_estimate_of_a_step() -> None:
    config = Splash()._config(jnp.zeros((1, 1, 1, 8192, 128), jnp.bfloat16), 1, 8192)
    assert {config.block_q, config.block_kv, config.block_q_dkv, config.block_kv_dkv} == {BLOCK}


def test_the_first_and_last_key_of_the_longest_call_are_told_apart() -> None:
    low, high = jnp.array([0, 65535, 65535, 7], jnp.int32), jnp.array([1, 65536, 65535, 65536], jnp.int32)
    ranges = splash._pack_range(low, high)
    seen = splash._visible(ranges[:, None], jnp.array([[0, 7, 65534, 65535]], jnp.int32))
    np.testing.assert_array_equal(seen, [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]])


@pytest.mark.parametrize(("rows", "tokens"), [(1, 256), (1, 400), (300, 256)])
def test_a_length_that_the_kernels_cannot_cut_is_refused(rows: int, tokens: int) -> None:
    """Also where rows go one by one because together they have more keys than one call takes."""
    q, k = jnp.zeros((rows, 1, 1, tokens, 1)), jnp.zeros((rows, 1, tokens, 1))
    ranges = jnp.zeros((rows, tokens), jnp.int32)
    with pytest.raises(ValueError, match=f"holds {rows} x {tokens} tokens.*multiple of 128, and at least 384 in a call"):
        SPLASH.forward(softmax.empty(q), Shard(q, k, k, ranges, ranges))
