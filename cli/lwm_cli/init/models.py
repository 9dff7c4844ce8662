"""The models that have names, and those of Hugging Face folders."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lwm_cli.errors import FileError
from lwm_trainer.config import Model, Vision
from lwm_trainer.convert.config_json import ModelConfig, read_config
from lwm_trainer.convert.errors import ConversionError

CONFIG = "config.json"
TINY = "tiny"
VISION = Vision(vocab_size=8448)
"""LWM's vision vocabulary: 8,192 codes, the ends of frame and vision, and room (arXiv 2402.08268)."""

_LLAMA_2_7B = Model(layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000, norm_epsilon=1e-5)
_LLAMA_3_8B = Model(layers=32, width=4096, heads=32, kv_heads=8, head_dim=128, mlp_width=14336, vocab_size=128256, norm_epsilon=1e-5)
_TINY = Model(layers=2, width=64, heads=2, kv_heads=2, head_dim=32, mlp_width=256, vocab_size=2048)

NAMED: Mapping[str, ModelConfig] = MappingProxyType(
    {
        "llama2-7b": ModelConfig(_LLAMA_2_7B, 1e4, 4096),
        "llama3-8b": ModelConfig(_LLAMA_3_8B, 5e5, 8192),
        "lwm-7b": ModelConfig(_LLAMA_2_7B.model_copy(update={"vision": VISION}), 5e7, 1_048_576),
        TINY: ModelConfig(_TINY, 1e4, 128),
    }
)
"""By name. Sources: the config.json of meta-llama/Llama-2-7b-hf and Meta-Llama-3-8B, and of LargeWorldModel/LWM-Chat-1M-Jax.
tiny is the model of `lwm data sample`."""


def find_model(name: str) -> ModelConfig:
    """The model of that name, or that of a Hugging Face folder or its config.json. Raises FileError."""
    if name in NAMED:
        return NAMED[name]
    path = Path(name)
    if not path.exists():
        raise FileError(f"--model {name}: give one of {', '.join(NAMED)}, or a Hugging Face folder with {CONFIG}")
    try:
        return read_config(path / CONFIG if path.is_dir() else path)
    except ConversionError as error:
        raise FileError(f"--model {error}") from error
