"""The config.json of a Hugging Face Llama, whose rotary settings have an old and a new style."""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pydantic

from lwm_trainer import config
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.strict_json import parse_object

OWN = "correct it, or take the model's own config.json"
VALUE_LENGTH = 80
"""Letters of a wrong value that a message shows."""
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
RENAMED = {**SIZES, "kv_heads": "num_key_value_heads"}
"""Fields of config.json by our names, where they differ."""
REFUSED = {
    "attention_bias": ((False,), "its attention has biases, which this model does not support"),
    "mlp_bias": ((False,), "its MLP has biases, which this model does not support"),
    "pretraining_tp": ((1,), "its matrix products are split: set it to 1 if the weights are whole"),
    "hidden_act": (("silu", "swish"), "this model's MLP is SwiGLU"),
    "quantization_config": ((None,), "its weights are quantized: convert the unquantized model"),
}
"""Fields that must be absent or have one of these values, and the reason."""

Size = Annotated[int, pydantic.Field(ge=1)]
Theta = Annotated[float, pydantic.Field(gt=1)]


class _Fields(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, frozen=True, allow_inf_nan=False, extra="ignore")


class _RopeFields(_Fields):
    """Rotary settings. Those of `llama3` are required where it is the type."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: Theta = DEFAULT_THETA
    factor: float | None = None
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None
    original_max_position_embeddings: Size | None = None
    partial_rotary_factor: Annotated[float, pydantic.Field(ge=1, le=1)] = 1.0


class _LlamaFields(_Fields):
    """The fields of a config.json that are read here, with the defaults of transformers."""

    num_hidden_layers: Size
    hidden_size: Size
    num_attention_heads: Size
    intermediate_size: Size
    vocab_size: Size
    rms_norm_eps: float
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None
    tie_word_embeddings: bool = False
    max_position_embeddings: Annotated[int, pydantic.Field(ge=1, lt=2**31)] = 2048
    rope_theta: Theta = DEFAULT_THETA
    rope_parameters: _RopeFields | None = None
    rope_scaling: _RopeFields | None = None
    partial_rotary_factor: Annotated[float, pydantic.Field(ge=1, le=1)] = 1.0
    dtype: str | None = None
    torch_dtype: str | None = None


class ModelConfig(NamedTuple):
    """A model with the settings that a run config keeps elsewhere."""

    model: config.Model
    rope_theta: float
    context_length: int
    tensor_type: config.NumberType = "float32"
    """Type of the tensors that config.json names; float32 for any other than ours."""


def read_config(file: Path, vision_vocab_size: int | None = None) -> ModelConfig:
    """Read a config.json. Raises ConversionError that names the field.

    Args:
        vision_vocab_size: rows of the vision embedding in the weights; None when there is none.
    """
    try:
        content = parse_object(file.read_bytes(), file)
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror}: give the config.json of a Hugging Face model") from error
    architectures = content.get("architectures") or [ARCHITECTURE]
    if architectures != [ARCHITECTURE] or content.get("model_type", "llama") != "llama":
        raise ConversionError(
            f"{file}: architectures is {architectures}, model_type {content.get('model_type')}: only {ARCHITECTURE} can be converted"
        )
    for field, (supported, reason) in REFUSED.items():
        if (value := content.get(field, supported[0])) not in supported:
            raise ConversionError(f"{file}: {field} is {value}: {reason}")
    try:
        fields = _LlamaFields.model_validate(content)
    except pydantic.ValidationError as error:
        raise _wrong_field(file, error) from error
    heads, kv_heads = fields.num_attention_heads, fields.num_key_value_heads or fields.num_attention_heads
    head_dim = fields.head_dim or fields.hidden_size // heads
    if heads % kv_heads:
        raise ConversionError(f"{file}: num_key_value_heads is {kv_heads}, which does not divide num_attention_heads, {heads}: {OWN}")
    if head_dim % 2:
        raise ConversionError(f"{file}: head_dim is {head_dim}: rotary channels come in pairs, so it must be even: {OWN}")
    theta, scaling = _rope(file, content)
    try:
        model = config.Model(
            **{ours: getattr(fields, theirs) for ours, theirs in SIZES.items()},
            kv_heads=kv_heads,
            head_dim=head_dim,
            tied_embeddings=fields.tie_word_embeddings,
            rope_scaling=scaling,
            vision=_vision(file, vision_vocab_size),
        )
    except pydantic.ValidationError as error:
        raise _wrong_field(file, error) from error
    tensor_type: config.NumberType = "bfloat16" if (fields.dtype or fields.torch_dtype) == "bfloat16" else "float32"
    return ModelConfig(model, theta, fields.max_position_embeddings, tensor_type)


def _vision(file: Path, vocab_size: int | None) -> config.Vision | None:
    try:
        return None if vocab_size is None else config.Vision(vocab_size=vocab_size)
    except pydantic.ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ConversionError(f"{file}: the weights have a vision embedding of {vocab_size} rows: {problem}: check the weights") from error


def _wrong_field(file: Path, error: pydantic.ValidationError, parent: str = "") -> ConversionError:
    """The first problem as a sentence, with the field as config.json names it; `parent` is the field that it lies in."""
    first = error.errors()[0]
    place = [*([parent] if parent else []), *(str((SCALING if parent else RENAMED).get(str(part), part)) for part in first["loc"])]
    field = ".".join(place)
    if first["type"] == "missing":
        return ConversionError(f"{file}: has no {field}: {OWN}")
    problem = "input should be an object" if first["type"] == "model_type" else f"{first['msg'][0].lower()}{first['msg'][1:]}"
    value = json.dumps(first["input"])
    shown = value if len(value) <= VALUE_LENGTH else f"{value[:VALUE_LENGTH]}…"
    return ConversionError(f"{file}: {field} is {shown}: {problem}: {OWN}")


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
        scaling = config.RopeScaling(type="llama3", **{ours: value[theirs] for ours, theirs in SCALING.items()})
    except KeyError as error:
        raise ConversionError(f"{file}: {field} has no {error.args[0]}: {OWN}") from error
    except pydantic.ValidationError as error:
        raise _wrong_field(file, error, field) from error
    if scaling.high_frequency_factor <= scaling.low_frequency_factor:
        high, low = scaling.high_frequency_factor, scaling.low_frequency_factor
        raise ConversionError(f"{file}: {field}.high_freq_factor is {high}, which is not above low_freq_factor, {low}: {OWN}")
    return scaling
