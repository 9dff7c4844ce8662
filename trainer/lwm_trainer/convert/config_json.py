"""The config.json of a Hugging Face Llama, whose rotary settings have an old and a new style."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pydantic

from lwm_trainer import config
from lwm_trainer.convert.errors import ConversionError

ARCHITECTURE = "LlamaForCausalLM"
DEFAULT_THETA = 10_000.0
"""The default of transformers."""
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
    "attention_bias": (False, "its attention has biases, which this model does not support"),
    "mlp_bias": (False, "its MLP has biases, which this model does not support"),
    "pretraining_tp": (1, "its matrix products are split: set it to 1 if the weights are whole"),
    "hidden_act": ("silu", "this model's MLP is SwiGLU"),
    "quantization_config": (None, "its weights are quantized: convert the unquantized model"),
}
"""Fields that must be absent or have this value, and the reason."""


class ModelConfig(NamedTuple):
    """A model with the settings that a run config keeps elsewhere."""

    model: config.Model
    rope_theta: float
    context_length: int


def read_config(file: Path, vision_vocab_size: int | None = None) -> ModelConfig:
    """Read a config.json. Raises ConversionError that names the field.

    Args:
        vision_vocab_size: rows of the vision embedding in the weights; None when there is none.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror}: give the config.json of a Hugging Face model") from error
    except ValueError as error:
        raise ConversionError(f"{file}: not JSON: {error}: download it again") from error
    architectures = content.get("architectures") or [ARCHITECTURE]
    if architectures != [ARCHITECTURE] or content.get("model_type", "llama") != "llama":
        raise ConversionError(
            f"{file}: architectures is {architectures}, model_type {content.get('model_type')}: only {ARCHITECTURE} can be converted"
        )
    for field, (expected, reason) in REFUSED.items():
        if (value := content.get(field, expected)) != expected:
            raise ConversionError(f"{file}: {field} is {value}: {reason}")
    theta, scaling = _rope(file, content)
    try:
        sizes = {ours: content[theirs] for ours, theirs in SIZES.items()}
        model = config.Model(
            **sizes,
            kv_heads=content.get("num_key_value_heads") or sizes["heads"],
            head_dim=content.get("head_dim") or sizes["width"] // sizes["heads"],
            tied_embeddings=content.get("tie_word_embeddings", False),
            dtype="bfloat16" if content.get("dtype", content.get("torch_dtype")) == "bfloat16" else "float32",
            rope_scaling=scaling,
            vision=config.Vision(vocab_size=vision_vocab_size) if vision_vocab_size else None,
        )
    except KeyError as error:
        raise ConversionError(f"{file}: has no {error.args[0]}: take the model's own config.json") from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ConversionError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return ModelConfig(model, theta, content.get("max_position_embeddings", 2048))


def write_config(model_config: ModelConfig, dtype: str, begin_id: int | None = None, end_id: int | None = None) -> dict[str, Any]:
    """The content of a config.json in both styles: transformers 5 reads the new one, 4 the old one, with theta 10,000 if it is missing.

    Args:
        dtype: of the tensors.
        begin_id: of the token that begins a document; None when it is not known. transformers takes 1 where the field is missing.
        end_id: of the token that ends one; None when it is not known. transformers takes 2 where the field is missing.
    """
    model = model_config.model
    scaling = model.rope_scaling
    scaling_json = (
        None if scaling is None else {"rope_type": scaling.type} | {theirs: getattr(scaling, ours) for ours, theirs in SCALING.items()}
    )
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "llama",
        **{theirs: getattr(model, ours) for ours, theirs in SIZES.items()},
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "hidden_act": "silu",
        "bos_token_id": begin_id,
        "eos_token_id": end_id,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": model.tied_embeddings,
        "max_position_embeddings": model_config.context_length,
        "rope_theta": model_config.rope_theta,
        "rope_scaling": scaling_json,
        "rope_parameters": (scaling_json or {"rope_type": "default"}) | {"rope_theta": model_config.rope_theta},
        "dtype": dtype,
        "torch_dtype": dtype,
        **({"vision_vocab_size": model.vision.vocab_size} if model.vision is not None else {}),
    }


def _rope(file: Path, content: dict[str, Any]) -> tuple[float, config.RopeScaling | None]:
    """Theta and scaling. Raises ConversionError when both styles are given and differ: transformers silently takes one of them."""
    new, old = content.get("rope_parameters"), content.get("rope_scaling")
    settings = {}
    if new is not None:
        settings["rope_parameters"] = (
            float(new.get("rope_theta", content.get("rope_theta", DEFAULT_THETA))),
            _scaling(file, "rope_parameters", new),
        )
    if old is not None or "rope_theta" in content or new is None:
        theta = content.get("rope_theta", (new or {}).get("rope_theta", DEFAULT_THETA))
        has_no_old_scaling = old is None and "rope_scaling" not in content and new is not None
        settings["rope_theta and rope_scaling"] = (
            float(theta),
            settings["rope_parameters"][1] if has_no_old_scaling else _scaling(file, "rope_scaling", old),
        )
    first, *others = settings.values()
    for other in others:
        if other != first:
            raise ConversionError(f"{file}: {' disagrees with '.join(settings)}: {first} against {other}: delete the wrong one")
    return first


def _scaling(file: Path, field: str, value: dict[str, Any] | None) -> config.RopeScaling | None:
    kind = (value or {}).get("rope_type", (value or {}).get("type", "default"))
    if value is None or kind == "default":
        return None
    if kind != "llama3":
        raise ConversionError(f"{file}: {field}.rope_type is {kind}: only default and llama3 can be converted")
    try:
        return config.RopeScaling(type="llama3", **{ours: value[theirs] for ours, theirs in SCALING.items()})
    except KeyError as error:
        raise ConversionError(f"{file}: {field} has no {error.args[0]}: take the model's own config.json") from error
    except pydantic.ValidationError as error:
        raise ConversionError(f"{file}: {field}: {error.errors()[0]['msg']}") from error
