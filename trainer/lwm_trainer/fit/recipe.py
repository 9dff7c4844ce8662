"""The recipe of the Large World Model as data: LLaMA-2 7B from 32K to 1M tokens, text, then chat, then vision-language.

Lengths, thetas, batches, steps and learning rates are the paper's (Liu et al. 2024, tables 11 to 13), with batches of powers of two for
its "4M" and "8M". The slices are its numbers of chips, 256 for text and 512 for vision, in each family's shape.
"""

from dataclasses import dataclass

from lwm_trainer.config import Memory, Mesh, Model

MODEL = Model(layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000, dtype="bfloat16")
"""LLaMA-2 7B; activations in bfloat16, parameters and optimizer in float32."""

TEXT_TOKENS, VISION_TOKENS = 4 * 2**20, 8 * 2**20
"""Of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage as published."""

    name: str
    context_length: int
    rope_theta: float
    steps: int
    vision: bool = False
    seconds: float | None = None
    """Of the paper's own step, on TPU v4: wall-clock over steps."""


STAGES = (
    Stage(name="text-32k", context_length=2**15, rope_theta=1e6, steps=1200, seconds=24),
    Stage(name="text-128k", context_length=2**17, rope_theta=1e7, steps=3000, seconds=54),
    Stage(name="text-256k", context_length=2**18, rope_theta=1e7, steps=3000, seconds=100),
    Stage(name="text-512k", context_length=2**19, rope_theta=2.5e7, steps=720, seconds=235),
    Stage(name="text-1m", context_length=2**20, rope_theta=5e7, steps=450, seconds=464),
    Stage(name="chat-128k", context_length=2**17, rope_theta=1e7, steps=300),
    Stage(name="chat-256k", context_length=2**18, rope_theta=1e7, steps=300),
    Stage(name="chat-512k", context_length=2**19, rope_theta=2.5e7, steps=300),
    Stage(name="chat-1m", context_length=2**20, rope_theta=5e7, steps=300),
    Stage(name="vision-1k", context_length=2**10, rope_theta=5e7, steps=45000, vision=True, seconds=83 * 3600 / 45000),
    Stage(name="vision-8k", context_length=2**13, rope_theta=5e7, steps=14000, vision=True, seconds=32 * 3600 / 14000),
    Stage(name="vision-32k", context_length=2**15, rope_theta=5e7, steps=1200, vision=True, seconds=10 * 3600 / 1200),
    Stage(name="vision-128k", context_length=2**17, rope_theta=5e7, steps=450, vision=True, seconds=6 * 3600 / 450),
    Stage(name="vision-1m", context_length=2**20, rope_theta=5e7, steps=50, vision=True, seconds=8 * 3600 / 50),
)

SLICES = {
    "v4": {False: ("8x8x4", 1), True: ("8x8x8", 1)},
    "v5p": {False: ("8x8x4", 1), True: ("8x8x8", 1)},
    "v6e": {False: ("16x16", 1), True: ("16x16", 2)},
}
"""By family, for text and for vision: topology, slices. libtpu counts axes in any order; GKE writes 4x8x8."""

MEMORY_OF: dict[tuple[str, str], tuple[Mesh, Memory]] = {}
