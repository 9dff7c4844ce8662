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
"""Last names of parameters that are not kernels. Kernels are (out, in) in Hugging Face files, and (in, out) here."""
INPUTS = {"output": 2}
"""Number of leading axes of a kernel that are its input, where it is not one: [H, C, D] is (D, H x C) in Hugging Face files."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the model; a parameter of a layer stands for that of all layers."""

    path: Path
    shape: tuple[int, ...]
    """Shape in one layer."""
    layers: int | None
    """Number of layers; None for a parameter outside the layers."""

    @property
    def kernel(self) -> bool:
        """Whether it is the matrix of a linear map."""
        return self.path[-1] not in AS_THEY_ARE

    @property
    def inputs(self) -> int:
        """Number of leading axes that are inputs."""
        return INPUTS.get(self.path[-1], 1)

    @property
    def stacked_shape(self) -> tuple[int, ...]:
        """Shape with all layers, as in the model's tree."""
        return self.shape if self.layers is None else (self.layers, *self.shape)

    @property
    def hf_shape(self) -> tuple[int, ...]:
        """Shape of the Hugging Face tensor of one layer."""
        return (prod(self.shape[self.inputs :]), prod(self.shape[: self.inputs])) if self.kernel else self.shape

    def name(self, layer: int = 0) -> str:
        """Name of the Hugging Face tensor."""
        inner = ".".join(self.path[1:])
        return ENDS[inner] if self.layers is None else f"model.layers.{layer}.{LAYERS[inner]}"


def model_parameters(model: config.Model) -> list[Parameter]:
    """All parameters of this model, in the order of its tree."""
    entries, _ = jax.tree_util.tree_flatten_with_path(llama.abstract(model))
    return [_parameter(tuple(str(key.key) for key in path), value.shape, model.layers) for path, value in entries]


def _parameter(path: Path, shape: tuple[int, ...], layers: int) -> Parameter:
    return Parameter(path, shape[1:], layers) if path[0] == "layers" else Parameter(path, shape, None)
