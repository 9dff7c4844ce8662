"""Makes the vision tokenizers beside it, and diffusers' codes and pixels of them; run by hand: torch is too large for the lock file.

    uv venv /tmp/reference && uv pip install --python /tmp/reference torch==2.15.0 diffusers==0.42.1
    /tmp/reference/bin/python tests/vision/reference.py

Each folder gets config.json and diffusion_pytorch_model.safetensors as diffusers writes them, and values.npz: frames uint8 [F, H, W, 3],
vectors float32 [F, h, w, C], codes int32 [F, N], pixels float32 [F, H, W, 3] in [-1, 1].
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found]
from diffusers import VQModel  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent
SIDE, FRAMES = 32, 2
DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"
MODELS: dict[str, dict[str, Any]] = {
    # LWM's pattern at a 32nd of its width and at two levels less.
    "amused": {
        "block_out_channels": [4, 8, 12],
        "down_block_types": [DOWN] * 3,
        "up_block_types": [UP] * 3,
        "layers_per_block": 2,
        "latent_channels": 8,
        "num_vq_embeddings": 64,
        "norm_num_groups": 2,
        "mid_block_add_attention": False,
        "lookup_from_codebook": True,
    },
    # What its relatives have besides: attention at the lowest resolution and in the middle, and a codebook of another width.
    "attention": {
        "block_out_channels": [4, 8],
        "down_block_types": [DOWN, f"Attn{DOWN}"],
        "up_block_types": [f"Attn{UP}", UP],
        "layers_per_block": 1,
        "latent_channels": 8,
        "vq_embed_dim": 4,
        "num_vq_embeddings": 64,
        "norm_num_groups": 2,
        "mid_block_add_attention": True,
        "lookup_from_codebook": True,
    },
}


def make(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    model = VQModel(**MODELS[name]).eval()
    for parameter_name, parameter in model.named_parameters():
        if "norm" in parameter_name or parameter_name.endswith("bias"):  # ones and zeros would hide what is left out
            torch.nn.init.uniform_(parameter, 0.5, 1.5) if "norm" in parameter_name else torch.nn.init.normal_(parameter, 0, 0.1)
    frames = np.random.default_rng(seed).integers(0, 256, (FRAMES, SIDE, SIDE, 3), np.uint8)
    with torch.no_grad():
        vectors = model.encode(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1).latents
        # The default codebook is so small that one code would be nearest to everything.
        latents = vectors.permute(0, 2, 3, 1).flatten(0, 2)
        chosen = latents[torch.randperm(len(latents))[: len(model.quantize.embedding.weight)]]
        model.quantize.embedding.weight.copy_(chosen + 0.1 * latents.std(0) * torch.randn(chosen.shape))
        _, _, (_, _, codes) = model.quantize(vectors)
        _, width, side, _ = vectors.shape
        shape = (FRAMES, side, side, width)
        pixels = model.decode(codes.reshape(FRAMES, -1), force_not_quantize=True, shape=shape).sample
    codes = codes.reshape(FRAMES, -1).numpy().astype(np.int32)
    model.save_pretrained(FOLDER / name)
    np.savez_compressed(
        FOLDER / name / "values.npz",
        frames=frames,
        vectors=vectors.permute(0, 2, 3, 1).numpy(),
        codes=codes,
        pixels=pixels.permute(0, 2, 3, 1).clamp(-1, 1).numpy(),
    )
    print(f"{name}: {len(np.unique(codes))} different codes of {codes.size}, pixels to {float(pixels.abs().max()):.2f}")


if __name__ == "__main__":
    for seed, name in enumerate(MODELS):
        make(name, seed)
