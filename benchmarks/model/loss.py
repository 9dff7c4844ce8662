"""The loss with its gradients, in chunks, against the plain way: all logits at once, then their log-softmax. Time and memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks import timing
from benchmarks.attention.peers import temp_mib
from benchmarks.measurements import Measurement, number
from benchmarks.model.sizes import Sizes
from devcluster.run import say
from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.step.loss import weighted_loss

WIDTH = 512
LARGEST_DIFFERENCE = 1e-4
"""Largest relative difference of losses and of gradient norms."""

Loss = Callable[[Array, Array], Array]


def losses(sizes: Sizes) -> list[Measurement]:
    """Two rows for each number of tokens and vocabulary: speed and memory."""
    return [row for tokens, vocabulary in sizes.losses for row in _at(tokens, vocabulary, sizes)]


def _at(tokens: int, vocabulary: int, sizes: Sizes) -> list[Measurement]:
    random = np.random.default_rng(0)
    stream = jnp.asarray(random.standard_normal((1, tokens, WIDTH), dtype=np.float32))
    head = jnp.asarray(random.standard_normal((WIDTH, vocabulary), dtype=np.float32)) / WIDTH**0.5
    target, weight = jnp.asarray(random.integers(0, vocabulary, (1, tokens), dtype=np.int32)), jnp.ones((1, tokens))
    mesh = make_mesh(Mesh())

    def ours(stream: Array, head: Array) -> Array:
        return weighted_loss(mesh, RING_AXES, stream, head, target, weight).objective / tokens

    def plain(stream: Array, head: Array) -> Array:
        picked = jnp.take_along_axis(jax.nn.log_softmax(stream @ head), target[..., None], axis=-1)
        return -jnp.mean(picked)

    def compiled(loss: Loss) -> Any:
        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(stream, head).compile()

    programs = {"ours": compiled(ours), "plain": compiled(plain)}
    calls: dict[str, Callable[[], Any]] = {name: partial(program, stream, head) for name, program in programs.items()}
    rounds, first = timing.rounds(calls, sizes.budget)
    name = f"loss {tokens} tokens, vocabulary {vocabulary} vs plain"
    figures = {way: [float(jnp.linalg.norm(leaf)) for leaf in jax.tree.leaves(results)] for way, results in first.items()}
    differs = float(np.abs(np.divide(figures["ours"], figures["plain"]) - 1).max())
    if not differs <= LARGEST_DIFFERENCE:
        return [Measurement(name=name, value=None, unit="ms", note=f"VOID: loss and norms of gradients are {figures}")]
    row = Measurement(
        name=name,
        value=1e3 * timing.seconds(rounds, "ours"),
        unit="ms",
        ratio=timing.ratio(rounds, "ours", "plain"),
        percent_of_limit=timing.percent_of_limit(rounds, "ours", 6.0 * tokens * WIDTH * vocabulary),
        note=f"rounds: {len(rounds)}; differ by {differs:.0e}",
    )
    say(f"  {row.name}: {number(row.value)} ms, ratio {number(row.ratio)}")
    memory = {way: temp_mib(program) for way, program in programs.items()}
    return [
        row,
        Measurement(name=f"{name}: memory", value=memory["ours"], unit="MiB", ratio=memory["plain"] / memory["ours"], note="temporary"),
    ]
