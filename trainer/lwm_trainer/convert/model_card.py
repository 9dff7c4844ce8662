"""The model card (README.md) of an exported model: what it is, where it comes from, and what a reader has to know."""

from lwm_trainer.checkpoint.manifest import Manifest, ModelManifest
from lwm_trainer.convert.config_json import ModelConfig


def model_card(manifest: ModelManifest, model_config: ModelConfig, dtype: str, tokenizer: bool) -> str:
    """The text of README.md, with the metadata that Hugging Face's hub reads."""
    model = manifest.model
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [llama, long-context]",
        "---",
        "",
        "# A Llama exported by `lwm convert to-hf`",
        "",
        f"- Origin: {_origin(manifest)}",
        f"- Architecture: {model.layers} layers, width {model.width}, {model.heads} heads, {model.kv_heads} key/value heads, "
        f"vocabulary {model.vocab_size}",
        f"- Tensors: {dtype}",
        f"- Context length: {model_config.context_length} tokens",
        f"- rope_theta: {model_config.rope_theta}{_theta_note(manifest, model_config)}",
        f"- Tokenizer: {_tokenizer_note(manifest, tokenizer)}",
    ]
    if model.rope_scaling is not None:
        lines.append(f"- RoPE scaling: {model.rope_scaling.type}, factor {model.rope_scaling.factor}")
    if model.vision is not None:
        lines.append(
            f"- Vision: `model.vision_embed_tokens` and `vision_lm_head` hold a second vocabulary of {model.vision.vocab_size} codes, "
            "which transformers does not read"
        )
    lines += [
        "",
        "## License",
        "",
        "The license of the model that the training began with, and the terms of its data, apply to these weights. The checkpoint does not "
        "record them: name them in this file before you publish the model.",
    ]
    return "\n".join(lines) + "\n"


def _origin(manifest: ModelManifest) -> str:
    if isinstance(manifest, Manifest):
        return (
            f"training {manifest.training}, stage {manifest.stage}, attempt {manifest.attempt}, step {manifest.step}, "
            f"after {manifest.tokens_seen} tokens of this stage"
        )
    return f"converted from {manifest.source}, not trained since"


def _theta_note(manifest: ModelManifest, model_config: ModelConfig) -> str:
    return "" if model_config.rope_theta == manifest.rope_theta else f", set at export; trained with {manifest.rope_theta}"


def _tokenizer_note(manifest: ModelManifest, tokenizer: bool) -> str:
    if manifest.tokenizer_sha256 is None:
        return "in this folder" if tokenizer else "not in this folder"
    return f"{'in this folder' if tokenizer else 'not in this folder'}; SHA-256 of its tokenizer.json: {manifest.tokenizer_sha256}"
