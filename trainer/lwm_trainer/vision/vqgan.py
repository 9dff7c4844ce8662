"""The whole vision tokenizer as pure functions over a nested dict of arrays.

Letters: B frames, H, W rows and columns of pixels or of positions, N positions of a frame, K codes, C channels.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.vision.modules import Decoder, Encoder, Vqgan
from lwm_trainer.vision.quantiser import fsq_codes, fsq_table, largest_product, nearest, unit
from lwm_trainer.vision.vqgan_config import VqganConfig

Params = dict[str, Any]
"""Nested dicts of float32 arrays, with numbers as keys where a part is repeated: {"encoder": …, "decoder": …, "codebook": [K, C]}."""


def init(config: VqganConfig, seed: int) -> Params:
    """Draw parameters: kernels and the codebook normal with deviation 1 / sqrt(inputs of an output), scales 1, biases 0; NumPy arrays."""

    def draw(number: int, path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> NDArray[np.float32]:
        match path[-1].key:
            case "scale":
                return np.ones(leaf.shape, np.float32)
            case "bias":
                return np.zeros(leaf.shape, np.float32)
            case name:
                inputs = math.prod(leaf.shape[:-1]) if name == "kernel" else leaf.shape[-1]
                values = np.random.default_rng((seed, number)).standard_normal(leaf.shape, np.float32)
                scaled: NDArray[np.float32] = values * np.float32(inputs**-0.5)
                return scaled

    leaves, structure = jax.tree.flatten_with_path(abstract(config))
    return jax.tree.unflatten(structure, [draw(number, path, leaf) for number, (path, leaf) in enumerate(leaves)])  # type: ignore[no-any-return]


@lru_cache
def abstract(config: VqganConfig) -> Params:
    """The tree of `init` with the shape and dtype of each array; nothing is computed."""
    return nnx.to_pure_dict(nnx.state(_abstract(Vqgan, config), nnx.Param))


def vectors(config: VqganConfig, params: Params, pixel_BHWC: Array) -> Array:
    """The encoder's output before it is quantised, [B, grid, grid, codebook width], in the dtype of the pixels, which are from -1 to 1."""
    return _merge(Encoder, config, params["encoder"])(pixel_BHWC)  # type: ignore[no-any-return]


def table(config: VqganConfig, params: Params) -> Array:
    """The vector of each code, float32 [K, codebook width], as the decoder gets it."""
    match config.quantiser:
        case "nearest" | "product":
            return params["codebook"]  # type: ignore[no-any-return]
        case "cosine":
            return unit(params["codebook"])
        case "fsq":
            return jnp.asarray(fsq_table(config.fsq_levels))


def quantise(config: VqganConfig, params: Params, vector_BHWC: Array) -> Array:
    """The code of each vector, int32 [B, N], row by row; computed in float32."""
    vector_NC = vector_BHWC.astype(jnp.float32).reshape(-1, config.codebook_width)
    match config.quantiser:
        case "nearest":
            codes = nearest(vector_NC, params["codebook"])
        case "cosine":
            codes = nearest(unit(vector_NC), unit(params["codebook"]))
        case "product":
            codes = largest_product(vector_NC, params["codebook"])
        case "fsq":
            codes = fsq_codes(vector_NC, config.fsq_levels)
    return codes.reshape(vector_BHWC.shape[0], -1)


def encode(config: VqganConfig, params: Params, pixel_BHWC: Array) -> Array:
    """The codes of frames, int32 [B, N], row by row of each frame.

    Args:
        pixel_BHWC: float32 from -1 to 1, [B, image size, image size, 3]. Another dtype would give other codes, and is refused.
    """
    if pixel_BHWC.dtype != jnp.float32:
        raise TypeError(f"frames are encoded in float32, not {pixel_BHWC.dtype}")
    return quantise(config, params, vectors(config, params, pixel_BHWC))


def decode(config: VqganConfig, params: Params, code_BN: Array, dtype: Any = jnp.bfloat16) -> Array:
    """Pixels of frames, float32 [B, image size, image size, 3] from -1 to 1.

    Args:
        code_BN: int32, row by row of each frame. Codes must be in the codebook, which a traced function cannot check: `Tokenizer` does.
        dtype: of all but the last norm and convolution, which are computed in float32.
    """
    vector_BNC = table(config, params)[code_BN]
    side = config.grid
    return jnp.clip(reconstruct(config, params, vector_BNC.reshape(-1, side, side, config.codebook_width), dtype), -1, 1)


def reconstruct(config: VqganConfig, params: Params, vector_BHWC: Array, dtype: Any = jnp.bfloat16) -> Array:
    """The decoder's output, float32 [B, image size, image size, 3], not yet cut to -1 to 1."""
    return _merge(Decoder, config, params["decoder"])(vector_BHWC.astype(dtype))  # type: ignore[no-any-return]


def _merge(kind: Callable[[VqganConfig], nnx.Module], config: VqganConfig, parameters: Params) -> Any:
    """A module of this kind with these parameters; only for use inside a traced function."""
    definition, state = nnx.split(_abstract(kind, config))
    nnx.replace_by_pure_dict(state, parameters)
    return nnx.merge(definition, state)


def _abstract(kind: Callable[[VqganConfig], nnx.Module], config: VqganConfig) -> Any:
    return nnx.eval_shape(lambda: kind(config))
