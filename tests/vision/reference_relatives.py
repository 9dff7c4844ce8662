"""Makes what IBQ's and LlamaGen's own modules compute, and a small file of torch.save; run by hand, as reference.py.

    git clone https://github.com/FoundationVision/LlamaGen /tmp/llamagen; git clone https://github.com/TencentARC/SEED-Voken /tmp/ibq
    uv venv /tmp/reference && uv pip install --python /tmp/reference torch==2.15.0 einops==0.8.2
    /tmp/reference/bin/python tests/vision/reference_relatives.py /tmp/llamagen /tmp/ibq

Each folder gets shapes.json, names and shapes of all tensors, whose values support/drawn_weights.py draws, and values.npz: frames uint8
[F, H, W, 3], vectors float32 [F, h, w, C], codes int32 [F, N], pixels float32 [F, H, W, 3] in [-1, 1].
"""

import importlib
import json
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from support.drawn_weights import drawn  # noqa: E402

SIDE, FRAMES, CHANNELS, LATENT, CODES, CODE_WIDTH = 16, 3, 32, 16, 64, 8


def llamagen(checkout: str) -> Any:
    sys.path.insert(0, checkout)
    module = importlib.import_module("tokenizer.tokenizer_image.vq_model")
    sizes = {"ch": CHANNELS, "ch_mult": (1, 2), "num_res_blocks": 1, "z_channels": LATENT}
    model = module.VQModel(module.ModelArgs(codebook_size=CODES, codebook_embed_dim=CODE_WIDTH, z_channels=LATENT))
    model.encoder, model.decoder = module.Encoder(**sizes), module.Decoder(**sizes)
    return model


def ibq(checkout: str) -> Any:
    sys.path.insert(0, checkout)
    network = importlib.import_module("src.IBQ.modules.diffusionmodules.model")
    sizes = {
        "ch": CHANNELS,
        "out_ch": 3,
        "ch_mult": (1, 2),
        "num_res_blocks": 1,
        "attn_resolutions": [SIDE // 2],
        "in_channels": 3,
        "resolution": SIDE,
        "z_channels": LATENT,
        "double_z": False,
    }
    model = torch.nn.Module()
    model.encoder, model.decoder = network.Encoder(**sizes), network.Decoder(**sizes)
    quantise = importlib.import_module("src.IBQ.modules.vqvae.quantize").IndexPropagationQuantize
    model.quantize = quantise(CODES, CODE_WIDTH)
    model.quant_conv = torch.nn.Conv2d(LATENT, CODE_WIDTH, 1)
    model.post_quant_conv = torch.nn.Conv2d(CODE_WIDTH, LATENT, 1)
    return model


def make(name: str, model: Any, seed: int) -> None:
    model.eval()
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict({key: torch.from_numpy(drawn(key, tuple(shape))) for key, shape in shapes.items()})
    frames = np.random.default_rng(seed).integers(0, 256, (FRAMES, SIDE, SIDE, 3), np.uint8)
    with torch.no_grad():
        vectors = model.quant_conv(model.encoder(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1))
        _, _, (_, _, codes) = model.quantize(vectors)
        batch, width, height, _ = vectors.shape
        # Both are given the shape in their own order of axes.
        shape = (batch, width, height, height) if name == "llamagen" else (batch, height, height, width)
        pixels = model.decoder(model.post_quant_conv(model.quantize.get_codebook_entry(codes, shape)))
    (FOLDER / name).mkdir(exist_ok=True)
    lines = ",\n".join(f"{json.dumps(key)}: {shape}" for key, shape in shapes.items())
    (FOLDER / name / "shapes.json").write_text(f"{{\n{lines}\n}}\n")
    np.savez_compressed(
        FOLDER / name / "values.npz",
        frames=frames,
        vectors=vectors.permute(0, 2, 3, 1).numpy(),
        codes=codes.reshape(FRAMES, -1).numpy().astype(np.int32),
        pixels=pixels.permute(0, 2, 3, 1).clamp(-1, 1).numpy(),
    )
    print(f"{name}: {len(np.unique(codes))} different codes of {codes.numel()}, pixels to {float(pixels.abs().max()):.2f}")


def make_archive() -> None:
    """A checkpoint with the layout of Lightning's: tensors of several types and strides, and objects that are no tensors."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = OrderedDict(
        whole=base,
        transposed=base.T,
        part=base[1:3, 2:5],
        half=base.half(),
        bfloat16=base.bfloat16(),
        integers=torch.arange(5),
        scalar=torch.tensor(0.5),
        parameter=torch.nn.Parameter(base + 1),
        empty=torch.zeros(0, 3),
    )
    settings = {"path": Path("config"), "size": torch.Size([1]), "namespace": SimpleNamespace(rate=1), "type": torch.float16}
    torch.save({"state_dict": tensors, "hyper_parameters": settings, "epoch": 3, "optimizer": [{"lr": 0.1}]}, FOLDER / "lightning.ckpt")


if __name__ == "__main__":
    make("llamagen", llamagen(sys.argv[1]), 0)
    make("ibq", ibq(sys.argv[2]), 1)
    make_archive()
