"""The recipe of the Large World Model as data: LLaMA-2 7B from 32K to 1M tokens, text, then chat, then vision-language.

Lengths, thetas, batches, steps and learning rates are the paper's (Liu et al. 2024, tables 11 to 13), with batches of powers of two for
its "4M" and "8M". The slices are its numbers of chips, 256 for text and 512 for vision, in each family's shape.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lwm_trainer.config import Checkpoint, Dataset, Gang, Memory, Mesh, Model, RunConfig, Vision
from lwm_trainer.fit.target import Target

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
    "v4": {False: ("4x8x8", 1), True: ("8x8x8", 1)},
    "v5p": {False: ("4x8x8", 1), True: ("8x8x8", 1)},
    "v6e": {False: ("16x16", 1), True: ("16x16", 2)},
}
"""By family, for text and for vision: topology as GKE names it, number of slices."""

SETTINGS: dict[tuple[str, str], tuple[Mesh, Memory]] = {
    ("v4", "text-32k"): (Mesh(fsdp=128, sp=2, ulysses=2), Memory(remat="qkv")),
    ("v4", "text-128k"): (Mesh(fsdp=32, sp=8, ulysses=8), Memory(remat="qkv")),
    ("v4", "text-256k"): (Mesh(fsdp=16, sp=16, ulysses=16), Memory(remat="qkv")),
    ("v4", "text-512k"): (Mesh(fsdp=8, sp=32, ulysses=16), Memory(remat="qkv")),
    ("v4", "text-1m"): (Mesh(fsdp=4, sp=64, ulysses=16), Memory(remat="qkv")),
    ("v4", "vision-1k"): (Mesh(fsdp=512, ulysses=1), Memory(remat="qkv")),
    ("v4", "vision-8k"): (Mesh(fsdp=512, ulysses=1), Memory(remat="qkv")),
    ("v4", "vision-32k"): (Mesh(fsdp=256, sp=2, ulysses=2), Memory(remat="qkv")),
    ("v4", "vision-128k"): (Mesh(fsdp=64, sp=8, ulysses=8), Memory(remat="qkv")),
    ("v4", "vision-1m"): (Mesh(fsdp=8, sp=64, ulysses=16), Memory(remat="qkv")),
    ("v5p", "text-32k"): (Mesh(fsdp=128, sp=2, ulysses=2), Memory(remat="qkv")),
    ("v5p", "text-128k"): (Mesh(fsdp=32, sp=8, ulysses=8), Memory(remat="qkv")),
    ("v5p", "text-256k"): (Mesh(fsdp=16, sp=16, ulysses=16), Memory(remat="qkv")),
    ("v5p", "text-512k"): (Mesh(fsdp=8, sp=32, ulysses=16), Memory(remat="qkv")),
    ("v5p", "text-1m"): (Mesh(fsdp=4, sp=64, ulysses=16), Memory(remat="qkv")),
    ("v5p", "vision-1k"): (Mesh(fsdp=512, ulysses=1), Memory(remat="qkv")),
    ("v5p", "vision-8k"): (Mesh(fsdp=512, ulysses=1), Memory(remat="qkv")),
    ("v5p", "vision-32k"): (Mesh(fsdp=256, sp=2, ulysses=2), Memory(remat="qkv")),
    ("v5p", "vision-128k"): (Mesh(fsdp=64, sp=8, ulysses=8), Memory(remat="qkv")),
    ("v5p", "vision-1m"): (Mesh(fsdp=8, sp=64, ulysses=16), Memory(remat="qkv")),
    ("v6e", "text-32k"): (Mesh(fsdp=128, sp=2, ulysses=2), Memory(remat="qkv")),
    ("v6e", "text-128k"): (Mesh(fsdp=32, sp=8, ulysses=8), Memory(remat="qkv")),
    ("v6e", "text-256k"): (Mesh(fsdp=16, sp=16, ulysses=16), Memory(remat="qkv")),
    ("v6e", "text-512k"): (Mesh(fsdp=8, sp=32, ulysses=16), Memory(remat="qkv")),
    ("v6e", "text-1m"): (Mesh(fsdp=4, sp=64, ulysses=16), Memory(remat="qkv")),
    ("v6e", "vision-1k"): (Mesh(dp=2, fsdp=256, ulysses=1), Memory(remat="qkv")),
    ("v6e", "vision-8k"): (Mesh(dp=2, fsdp=256, ulysses=1), Memory(remat="qkv")),
    ("v6e", "vision-32k"): (Mesh(dp=2, fsdp=128, sp=2, ulysses=2), Memory(remat="qkv")),
    ("v6e", "vision-128k"): (Mesh(dp=2, fsdp=32, sp=8, ulysses=8), Memory(remat="qkv")),
    ("v6e", "vision-1m"): (Mesh(dp=2, fsdp=4, sp=64, ulysses=16), Memory(remat="qkv")),
}
"""By family and stage; a chat stage has its text stage's. Meshes are the fastest of `candidates` by estimate. All keep queries, keys and
values (remat qkv): keeping all was refused where it was tried (v4 vision-1k in 4 parts: 36.3 of 30.75 GiB), and the seconds of offloading
rest on an estimated speed of the host's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A stage on a family's slices."""

    family: str
    stage: Stage
    target: Target
    run: RunConfig


def cases(families: tuple[str, ...] = tuple(SLICES)) -> Iterator[Case]:
    """The whole recipe on each family, in its order."""
    for family in families:
        for stage in STAGES:
            topology, slices = SLICES[family][stage.vision]
            yield Case(
                family=family,
                stage=stage,
                target=Target(platform="tpu", topology=f"{family}:{topology}"),
                run=run_of(family, stage, slices),
            )


def run_of(family: str, stage: Stage, slices: int) -> RunConfig:
    """The run config of the stage; raises ValueError when its settings do not go together."""
    mesh, memory = SETTINGS[family, stage.name.replace("chat", "text")]
    return RunConfig(
        training="recipe",
        stage=stage.name,
        stage_index=0,
        stage_count=1,
        attempt=1,
        gang=Gang(
            job="recipe", service="recipe", slices=slices, hosts=mesh.size // 4, devices_per_host=4, platform="tpu", coordinator="r:1"
        ),
        mesh=mesh,
        model=MODEL.model_copy(update={"vision": Vision()}) if stage.vision else MODEL,
        tokenizer="/none",
        datasets=(Dataset(name="none", kind="text", uri="/none"),),
        context_length=stage.context_length,
        batch_tokens=VISION_TOKENS if stage.vision else TEXT_TOKENS,
        rope_theta=stage.rope_theta,
        steps=stage.steps,
        memory=memory,
        checkpoint=Checkpoint(root="/none", every_steps=stage.steps),
    )


def with_memory(case: Case, memory: Memory) -> Case:
    """The case with other memory settings."""
    return replace(case, run=case.run.model_copy(update={"memory": memory}))
