"""The recipe of the Large World Model as data: LLaMA-2 7B from 32K to 1M tokens, text, then chat, then vision-language.

Lengths, thetas and batches are the paper's (Liu et al. 2024, tables 11 to 13), with batches of powers of two for its "4M" and "8M". The
slices have the paper's numbers of chips, 256 for text and 512 for vision, in the shapes of each family.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lwm_trainer.config import Memory, Mesh, RunConfig, Vision
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.synthetic_runs import LLAMA_2_7B, tpu_run

TEXT_TOKENS, VISION_TOKENS = 4 * 2**20, 8 * 2**20
"""Tokens of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeStage:
    """One stage of the recipe, as published."""

    name: str
    context_length: int
    rope_theta: float
    vision: bool = False
    seconds: float | None = None
    """Seconds of the paper's own step on TPU v4: wall-clock time over steps."""

    @property
    def chat(self) -> bool:
        return self.name.startswith("chat")

    @property
    def same_shapes_as(self) -> str:
        """Name of the stage with equal shapes: the text stage of a chat stage, otherwise the stage itself."""
        return self.name.replace("chat", "text")


STAGES = (
    RecipeStage(name="text-32k", context_length=2**15, rope_theta=1e6, seconds=24),
    RecipeStage(name="text-128k", context_length=2**17, rope_theta=1e7, seconds=54),
    RecipeStage(name="text-256k", context_length=2**18, rope_theta=1e7, seconds=100),
    RecipeStage(name="text-512k", context_length=2**19, rope_theta=2.5e7, seconds=235),
    RecipeStage(name="text-1m", context_length=2**20, rope_theta=5e7, seconds=464),
    RecipeStage(name="chat-128k", context_length=2**17, rope_theta=1e7),
    RecipeStage(name="chat-256k", context_length=2**18, rope_theta=1e7),
    RecipeStage(name="chat-512k", context_length=2**19, rope_theta=2.5e7),
    RecipeStage(name="chat-1m", context_length=2**20, rope_theta=5e7),
    RecipeStage(name="vision-1k", context_length=2**10, rope_theta=5e7, vision=True, seconds=83 * 3600 / 45000),
    RecipeStage(name="vision-8k", context_length=2**13, rope_theta=5e7, vision=True, seconds=32 * 3600 / 14000),
    RecipeStage(name="vision-32k", context_length=2**15, rope_theta=5e7, vision=True, seconds=10 * 3600 / 1200),
    RecipeStage(name="vision-128k", context_length=2**17, rope_theta=5e7, vision=True, seconds=6 * 3600 / 450),
    RecipeStage(name="vision-1m", context_length=2**20, rope_theta=5e7, vision=True, seconds=8 * 3600 / 50),
)

SLICES = {
    "v4": {False: ("4x8x8", 1), True: ("8x8x8", 1)},
    "v5p": {False: ("4x8x8", 1), True: ("8x8x8", 1)},
    "v6e": {False: ("16x16", 1), True: ("16x16", 2)},
}
"""Topology, as GKE names it, and number of slices, by family and by whether the stage is a vision stage."""

MESHES = {
    "text-32k": Mesh(fsdp=128, sp=2, ulysses=2),
    "text-128k": Mesh(fsdp=32, sp=8, ulysses=8),
    "text-256k": Mesh(fsdp=16, sp=16, ulysses=16),
    "text-512k": Mesh(fsdp=8, sp=32, ulysses=16),
    "text-1m": Mesh(fsdp=4, sp=64, ulysses=16),
    "vision-1k": Mesh(fsdp=512, ulysses=1),
    "vision-8k": Mesh(fsdp=512, ulysses=1),
    "vision-32k": Mesh(fsdp=256, sp=2, ulysses=2),
    "vision-128k": Mesh(fsdp=64, sp=8, ulysses=8),
    "vision-1m": Mesh(fsdp=8, sp=64, ulysses=16),
}
"""By stage, on one slice; a chat stage has the mesh of its text stage. With several slices, a part of fsdp becomes dp between them."""

MEMORY = {"v4": Memory(remat="qkv"), "v5p": Memory(remat="products"), "v6e": Memory(remat="qkv")}
"""The memory settings of every stage, by family. Meshes are the fastest of `candidates` by estimate. A v5p has three times the memory of
the others, so that no matrix product is computed again. `remat: none` did not fit where it was tried (v4 vision-1k in 4 accumulation steps:
36.3 of 30.75 GiB), and the time of offloading rests on an estimated rate of host memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeCase:
    """A stage of the recipe on the slices of a family."""

    family: str
    stage: RecipeStage
    target: Target
    run: RunConfig


def cases(families: tuple[str, ...] = tuple(SLICES)) -> Iterator[RecipeCase]:
    """All stages of the recipe on each family, in their order."""
    for family in families:
        for stage in STAGES:
            topology, _ = SLICES[family][stage.vision]
            yield RecipeCase(
                family=family,
                stage=stage,
                target=Target(platform="tpu", topology=f"{family}:{topology}"),
                run=recipe_run(stage, family),
            )


def recipe_run(stage: RecipeStage, family: str) -> RunConfig:
    """The run config of a stage on the slices of a family. Raises ValueError when its settings contradict each other."""
    mesh, (_, slices) = MESHES[stage.same_shapes_as], SLICES[family][stage.vision]
    return tpu_run(
        LLAMA_2_7B.model_copy(update={"vision": Vision()}) if stage.vision else LLAMA_2_7B,
        mesh.model_copy(update={"dp": slices, "fsdp": mesh.fsdp // slices}),
        MEMORY[family],
        stage=stage.name,
        slices=slices,
        context_length=stage.context_length,
        rows=(VISION_TOKENS if stage.vision else TEXT_TOKENS) // stage.context_length,
        rope_theta=stage.rope_theta,
    )


def with_memory(case: RecipeCase, memory: Memory) -> RecipeCase:
    """The case with other memory settings."""
    return replace(case, run=case.run.model_copy(update={"memory": memory}))
