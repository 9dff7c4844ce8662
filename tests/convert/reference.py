"""Makes the models beside it and transformers' logits of them; run by hand, because torch is too large for the lock file.

    uv venv /tmp/reference && uv pip install --python /tmp/reference torch==2.15.0 transformers==5.24.0
    /tmp/reference/bin/python tests/convert/reference.py

Each folder gets config.json and model.safetensors as transformers writes them, and logits.npz: tokens [B, T], logits [B, T, V].
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found]
from transformers import LlamaConfig, LlamaForCausalLM  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent
COMMON: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "rms_norm_eps": 1e-5,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
"""As Llama 3.1, but stretched from 32 positions, so that a short row shows it."""
MODELS: dict[str, dict[str, Any]] = {
    "llama2": {},
    "llama31": {"num_key_value_heads": 2, "rope_parameters": LLAMA3},
    "grouped": {"num_key_value_heads": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
    "tied": {"tie_word_embeddings": True, "num_key_value_heads": 2},
    "wide_heads": {"head_dim": 20, "num_key_value_heads": 2},
}


def main() -> None:
    for seed, (name, changes) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**(COMMON | changes), attn_implementation="eager")).eval()
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:  # ones would hide a norm that is left out
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        model.save_pretrained(FOLDER / name)
        (FOLDER / name / "generation_config.json").unlink(missing_ok=True)
        tokens = np.random.default_rng(seed).integers(0, COMMON["vocab_size"], (2, 72))
        with torch.no_grad():
            logits = model(torch.from_numpy(tokens)).logits.numpy()
        np.savez_compressed(FOLDER / name / "logits.npz", tokens=tokens.astype(np.int32), logits=logits.astype(np.float32))


if __name__ == "__main__":
    main()
