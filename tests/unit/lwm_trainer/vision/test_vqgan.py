"""The network: its size, its precision, and that a frame's codes depend on the frame alone."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pydantic
import pytest

from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig

TINY = VqganConfig(
    image_size=16,
    width=4,
    multipliers=(1, 2),
    blocks=1,
    groups=2,
    latent_width=4,
    codebook_size=16,
    codebook_width=3,
    attention_resolutions=(8,),
    mid_attention=True,
)
FSQ = TINY.model_copy(update={"quantiser": "fsq", "fsq_levels": (4, 4, 3), "codebook_size": 48})
PIXELS = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.float32)


def products(jaxpr: Any) -> Iterator[Any]:
    """All convolutions and matrix products of a program, also those inside others."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("conv_general_dilated", "dot_general"):
            yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                if hasattr(inner, "eqns"):
                    yield from products(inner)
                elif hasattr(inner, "jaxpr"):
                    yield from products(inner.jaxpr)


def test_the_default_is_the_size_of_lwms() -> None:
    leaves = jax.tree.leaves(vqgan.abstract(VqganConfig()))
    assert (len(leaves), sum(math.prod(leaf.shape) for leaf in leaves)) == (277, 146_244_675)
    assert VqganConfig().codes_per_frame == 256


@pytest.mark.parametrize("config", [TINY.model_copy(update={"quantiser": "cosine"})])
def test_all_products_of_encoding_have_the_highest_precision(config: VqganConfig) -> None:
    program = jax.make_jaxpr(partial(vqgan.encode, config))(vqgan.abstract(config), PIXELS)
    precisions = [equation.params["precision"] for equation in products(program.jaxpr)]
    assert len(precisions) > 20
    highest = jax.lax.Precision.HIGHEST
    assert set(precisions) == {(highest, highest)}
    lowered = jax.jit(partial(vqgan.encode, config)).lower(vqgan.abstract(config), PIXELS).as_text()
    assert lowered.count("stablehlo.convolution")
    assert "DEFAULT" not in lowered
    assert lowered.count("HIGHEST") >= 2 * len(precisions)


def test_pixels_of_another_dtype_are_refused() -> None:
    with pytest.raises(TypeError, match="encoded in float32, not bfloat16"):
        jax.eval_shape(partial(vqgan.encode, TINY), vqgan.abstract(TINY), PIXELS.update(dtype=jnp.bfloat16))


@pytest.mark.parametrize("config", [FSQ])
def test_decoding_ends_in_float32(config: VqganConfig) -> None:
    codes = jax.ShapeDtypeStruct((2, config.codes_per_frame), jnp.int32)
    program = jax.make_jaxpr(partial(vqgan.decode, config))(vqgan.abstract(config), codes)
    convolutions = [each for each in products(program.jaxpr) if each.primitive.name == "conv_general_dilated"]
    assert [str(each.outvars[0].aval.dtype) for each in convolutions[-2:]] == ["bfloat16", "float32"]
    params = vqgan.init(config, 0)
    pixels = {
        dtype: jax.jit(partial(vqgan.decode, config, dtype=dtype))(params, jnp.zeros(codes.shape, jnp.int32))
        for dtype in ("bfloat16", "float32")
    }
    assert all(each.dtype == jnp.float32 and each.shape == PIXELS.shape for each in pixels.values())
    assert 0 < np.abs(pixels["bfloat16"] - pixels["float32"]).max() < 0.2


@pytest.mark.parametrize(
    "wrong", [{"image_size": 15}, {"groups": 3}, {"attention_resolutions": (7,)}, {"fsq_levels": (4, 4)}, {"quantiser": "fsq"}]
)
def test_sizes_that_do_not_fit_name_their_field(wrong: dict[str, Any]) -> None:
    field = {"image_size": "imageSize", "attention_resolutions": "attentionResolutions"}.get(next(iter(wrong)), next(iter(wrong)))
    field = {"fsq_levels": "fsqLevels", "quantiser": "fsqLevels"}.get(field, field)
    with pytest.raises(pydantic.ValidationError, match=f"{field}: .*: (set|make|remove|the levels)"):
        VqganConfig.model_validate(TINY.model_dump() | wrong)
