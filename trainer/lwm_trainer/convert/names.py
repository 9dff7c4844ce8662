"""Which parameter is which tensor of a Hugging Face Llama.

Letters: L layers, D width, H heads, C head width.
"""

from dataclasses import dataclass
from math import prod

import jax

from lwm_trainer import config
from lwm_trainer.model import llama

Path = tuple[str, ...]

ENDS = {
    "embedding": "model.embed_tokens.weight",
    "norm.scale": "model.norm.weight",
    "head": "lm_head.weight",
    "vision_embedding": "model.vision_embed_tokens.weight",
    "vision_head": "vision_lm_head.weight",
}
LAYERS = {
    "attention.query": "self_attn.q_proj.weight",
    "attention.key": "self_attn.k_proj.weight",
    "attention.value": "self_attn.v_proj.weight",
    "attention.output": "self_attn.o_proj.weight",
    "attention_norm.scale": "input_layernorm.weight",
    "mlp_norm.scale": "post_attention_layernorm.weight",
    "mlp.gate": "mlp.gate_proj.weight",
    "mlp.up": "mlp.up_proj.weight",
    "mlp.down": "mlp.down_proj.weight",
}
AS_THEY_ARE = ("embedding", "vision_embedding", "scale")
"""Last names of parameters that are no kernels: theirs are (out, in), ours (in, out)."""
INPUTS = {"output": 2}
"""How many leading axes of a kernel are its input, where that is not one: [H, C, D] is theirs (D, H x C)."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One parameter, of all layers if it is a layer's."""

    path: Path
    shape: tuple[int, ...]
    """Of one layer."""
    layers: int | None
    """None: not a layer's."""

    @property
    def kernel(self) -> bool:
        return self.path[-1] not in AS_THEY_ARE

    @property
    def inputs(self) -> int:
        return INPUTS.get(self.path[-1], 1)

    @property
    def stacked_shape(self) -> tuple[int, ...]:
        return self.shape if self.layers is None else (self.layers, *self.shape)

    @property
    def their_shape(self) -> tuple[int, ...]:
        """Of the Hugging Face tensor of one layer."""
        return (prod(self.shape[self.inputs :]), prod(self.shape[: self.inputs])) if self.kernel else self.shape

    def name(self, layer: int = 0) -> str:
        """Of the Hugging Face tensor."""
        inner = ".".join(self.path[1:])
        return ENDS[inner] if self.layers is None else f"model.layers.{layer}.{LAYERS[inner]}"


def leaves(model: config.Model) -> list[Leaf]:
    """All parameters of this model, in the order of its tree."""
    found, _ = jax.tree_util.tree_flatten_with_path(llama.abstract(model))
    return [_leaf(tuple(str(key.key) for key in path), value.shape, model.layers) for path, value in found]


def _leaf(path: Path, shape: tuple[int, ...], layers: int) -> Leaf:
    return Leaf(path, shape[1:], layers) if path[0] == "layers" else Leaf(path, shape, None)
