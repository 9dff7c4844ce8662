"""The loss of a row of 1,048,576 tokens over 32,000 pieces, in the program of the real TPU compiler."""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import Array
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from lwm_trainer.fit.compile import topology
from lwm_trainer.parallel.mesh import RING_AXES, STREAM, TOKENS, spec
from lwm_trainer.step.loss import DEFAULT_LOGIT_BYTES, weighted_loss
from support.tpu_programs import compiled

LENGTH, WIDTH, VOCABULARY = 1 << 20, 4096, 32_000
SHAPE = re.compile(r"\b(?:f32|bf16|s32|u32|pred)\[([\d,]+)\]")


@pytest.mark.parametrize(("ring", "tp"), [(64, 1), (16, 4)])
def test_no_array_has_a_score_for_each_token_and_piece(ring: int, tp: int) -> None:
    mesh = topology.mesh("v5p:4x4x4", ring=ring, tp=tp)

    def array(where: P, dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, where))

    def loss(stream: Array, head: Array, target: Array, weight: Array) -> Array:
        return weighted_loss(mesh, RING_AXES, stream, head, target, weight, 1e-4).objective

    stream = array(STREAM, jnp.bfloat16, 1, LENGTH, WIDTH)
    head = array(spec(("embed", "vocab")), jnp.float32, WIDTH, VOCABULARY)
    gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)), out_shardings=(None, (stream.sharding, head.sharding)))
    lowered = gradients.lower(stream, head, array(TOKENS, jnp.int32, 1, LENGTH), array(TOKENS, jnp.float32, 1, LENGTH))
    program = compiled(lowered, mesh)

    own_stream, own_head = LENGTH // ring * WIDTH, WIDTH * VOCABULARY // tp
    largest = max(math.prod(map(int, shape.split(","))) for shape in SHAPE.findall(program.text))
    assert largest <= max(own_stream, own_head) < LENGTH // ring * VOCABULARY // tp
    head_bytes, stream_bytes = 4 * own_head, 2 * own_stream
    assert program.temp_bytes < stream_bytes + 3 * head_bytes + 3 * DEFAULT_LOGIT_BYTES
