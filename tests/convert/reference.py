"""Makes the models beside it and transformers' logits of them; run by hand, because torch is too large for the lock file.

    uv venv /tmp/reference && uv pip install --python /tmp/reference torch==2.15.0 transformers==5.24.0
    /tmp/reference/bin/python tests/convert/reference.py make

Each folder gets config.json and model.safetensors as transformers writes them, and logits.npz: tokens [B, T], logits [B, T, V].

    /tmp/reference/bin/python tests/convert/reference.py check EXPORTED

loads what `lwm convert to-hf` exported and compares transformers' logits with ours, which `ours.py` beside it has put there.
"""

import argparse
import sys
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


TOLERANCE = 2e-4
"""Largest difference of a logit: float32 in another order of sums."""


def logits(model: Any, tokens: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(tokens.astype(np.int64))).logits.float().numpy()  # type: ignore[no-any-return]


def make() -> None:
    for seed, (name, changes) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**(COMMON | changes), attn_implementation="eager")).eval()
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:  # ones would hide a norm that is left out
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        model.save_pretrained(FOLDER / name)
        (FOLDER / name / "generation_config.json").unlink(missing_ok=True)
        tokens = np.random.default_rng(seed).integers(0, COMMON["vocab_size"], (2, 72))
        np.savez_compressed(FOLDER / name / "logits.npz", tokens=tokens.astype(np.int32), logits=logits(model, tokens))


def check(folder: Path) -> bool:
    """Whether every parameter came from the folder and every logit is ours."""
    model, loading = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    with np.load(folder / "logits.npz") as ours:
        tokens, wanted = ours["tokens"], ours["logits"]
    computed = logits(model.eval(), tokens)
    furthest = np.abs(computed - wanted).max()
    strange = {kind: names for kind, names in loading.items() if names}
    fine = bool(furthest < TOLERANCE < np.abs(wanted).max()) and not strange
    print(f"{folder}: {sum(each.numel() for each in model.parameters()):,} parameters, logits {computed.shape}")
    print(
        f"largest logit {np.abs(computed).max():.3f}, furthest apart {furthest:.2e}, allowed {TOLERANCE}: "
        f"{'equal' if fine else 'NOT equal'}"
    )
    for kind, names in strange.items():
        print(f"{kind}: {names}")
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make")
    commands.add_parser("check").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make()
        return 0
    return 0 if check(arguments.folder) else 1


if __name__ == "__main__":
    sys.exit(main())
