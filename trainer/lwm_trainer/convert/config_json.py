"""Hugging Face's config.json of a Llama: rotary settings stand in it in an old and in a new style."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pydantic

from lwm_trainer import config
from lwm_trainer.convert.errors import ConversionError

ARCHITECTURE = "LlamaForCausalLM"
DEFAULT_THETA = 10_000.0
"""What transformers takes when the file has none."""
SIZES = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "mlp_width": "intermediate_size",
    "vocab_size": "vocab_size",
    "norm_epsilon": "rms_norm_eps",
}
SCALING = {
    "factor": "factor",
    "low_frequency_factor": "low_freq_factor",
    "high_frequency_factor": "high_freq_factor",
    "original_context_length": "original_max_position_embeddings",
}
REFUSED = {
    "attention_bias": (False, "its attention has biases, which this model has not"),
    "mlp_bias": (False, "its MLP has biases, which this model has not"),
    "pretraining_tp": (1, "its products are cut in parts: set it to 1 if the weights are whole"),
    "hidden_act": ("silu", "this model's MLP is SwiGLU"),
    "quantization_config": (None, "its weights are quantized: convert the unquantized model"),
}
"""Fields that may be absent or have this value, and why no other."""


class Described(NamedTuple):
    model: config.Model
    rope_theta: float
    context_length: int


def read_config(file: Path, vision_vocab_size: int | None = None) -> Described:
    """The model that a config.json describes. Raises ConversionError that names the field."""
    try:
        said: dict[str, Any] = json.loads(file.read_bytes())
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror}: give the config.json of a Hugging Face model") from error
    except ValueError as error:
        raise ConversionError(f"{file}: no JSON: {error}: download it again") from error
    architectures = said.get("architectures") or [ARCHITECTURE]
    if architectures != [ARCHITECTURE] or said.get("model_type", "llama") != "llama":
        raise ConversionError(
            f"{file}: architectures is {architectures}, model_type {said.get('model_type')}: only {ARCHITECTURE} can be converted"
        )
    for field, (right, why) in REFUSED.items():
        if (value := said.get(field, right)) != right:
            raise ConversionError(f"{file}: {field} is {value}: {why}")
    theta, scaling = _rope(file, said)
    try:
        sizes = {ours: said[theirs] for ours, theirs in SIZES.items()}
        model = config.Model(
            **sizes,
            kv_heads=said.get("num_key_value_heads") or sizes["heads"],
            head_dim=said.get("head_dim") or sizes["width"] // sizes["heads"],
            tied_embeddings=said.get("tie_word_embeddings", False),
            dtype="bfloat16" if said.get("dtype", said.get("torch_dtype")) == "bfloat16" else "float32",
            rope_scaling=scaling,
            vision=config.Vision(vocab_size=vision_vocab_size) if vision_vocab_size else None,
        )
    except KeyError as error:
        raise ConversionError(f"{file}: has no {error.args[0]}: take the model's own config.json") from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ConversionError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return Described(model, theta, said.get("max_position_embeddings", 2048))


def write_config(described: Described, dtype: str) -> dict[str, Any]:
    """config.json in both styles: transformers 5 reads the new one, 4 the old one and takes theta 10,000 where that is missing."""
    model = described.model
    scaling = model.rope_scaling
    scaled = None if scaling is None else {"rope_type": scaling.type} | {theirs: getattr(scaling, ours) for ours, theirs in SCALING.items()}
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "llama",
        **{theirs: getattr(model, ours) for ours, theirs in SIZES.items()},
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": model.tied_embeddings,
        "max_position_embeddings": described.context_length,
        "rope_theta": described.rope_theta,
        "rope_scaling": scaled,
        "rope_parameters": (scaled or {"rope_type": "default"}) | {"rope_theta": described.rope_theta},
        "dtype": dtype,
        "torch_dtype": dtype,
        **({"vision_vocab_size": model.vision.vocab_size} if model.vision is not None else {}),
    }


def _rope(file: Path, said: dict[str, Any]) -> tuple[float, config.RopeScaling | None]:
    """Theta and scaling. Both styles may stand in the file if they say the same: of two that differ transformers takes one, silently."""
    new, old = said.get("rope_parameters"), said.get("rope_scaling")
    found = {}
    if new is not None:
        found["rope_parameters"] = (
            float(new.get("rope_theta", said.get("rope_theta", DEFAULT_THETA))),
            _scaling(file, "rope_parameters", new),
        )
    if old is not None or "rope_theta" in said or new is None:
        theta = said.get("rope_theta", (new or {}).get("rope_theta", DEFAULT_THETA))
        said_nothing = old is None and "rope_scaling" not in said and new is not None
        found["rope_theta and rope_scaling"] = (
            float(theta),
            found["rope_parameters"][1] if said_nothing else _scaling(file, "rope_scaling", old),
        )
    first, *others = found.values()
    for other in others:
        if other != first:
            raise ConversionError(f"{file}: {' disagrees with '.join(found)}: {first} against {other}: delete the wrong one")
    return first


def _scaling(file: Path, field: str, said: dict[str, Any] | None) -> config.RopeScaling | None:
    kind = (said or {}).get("rope_type", (said or {}).get("type", "default"))
    if said is None or kind == "default":
        return None
    if kind != "llama3":
        raise ConversionError(f"{file}: {field}.rope_type is {kind}: only default and llama3 can be converted")
    try:
        return config.RopeScaling(type="llama3", **{ours: said[theirs] for ours, theirs in SCALING.items()})
    except KeyError as error:
        raise ConversionError(f"{file}: {field} has no {error.args[0]}: take the model's own config.json") from error
    except pydantic.ValidationError as error:
        raise ConversionError(f"{file}: {field}: {error.errors()[0]['msg']}") from error
