"""The estimate beside step times that others have published: `python -m lwm_trainer.fit.report.published` prints the table.

Two numbers were fitted, `estimate.ATTENTION_MOST` and `BLOCK_COST`, on the two rows marked so; all others are checks. Bounds were set after
the errors were seen: they keep the estimate from getting worse and are no forecast.

MaxText, all on 64 v5p, from the descriptions of its pull requests:
- 4893, Llama 3 8B: one row, balanced, context parallelism 64; its commands (4836) leave the kernels' blocks at 512 and remat at whole
  layers. Steps with short shards, 1,024 to 2,048 tokens a chip, take 0.2 to 0.7 s that the estimate does not have.
- 4687: 2M tokens a step, attention's outputs kept, blocks of 2048 for Ulysses and of 1024 for rings; its seconds, or what follows from
  its FLOPs a second. Its ring hides all that it sends, ours half of it; its exchange may use a plane of the torus, ours a strip of two.
- 4626, 1M: says neither its blocks nor its remat nor its mesh: taken to be as in 4687, the same author's four days later, and one ring.

LWM computed in float32, with shards in the order of the row, so that a ring of n waits for the rank that sees most: 2 - 1/n times the
attention. Its blocks and what it kept are not published; 512 and whole layers are assumed.
"""

from dataclasses import dataclass

from lwm_trainer.config import Memory, Mesh, Model, Remat, RunConfig
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.estimate.flops import flops
from lwm_trainer.fit.estimate.step_time import Estimate, estimate
from lwm_trainer.fit.synthetic_runs import LLAMA_2_7B, tpu_run

K = 1024
LLAMA_3_8B = Model(layers=32, width=4096, heads=32, kv_heads=8, head_dim=128, mlp_width=14336, vocab_size=128256, dtype="bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    chip: str
    run: RunConfig
    seconds: float
    """Of a step, as published or as it follows from what is published."""
    block: int
    """Tokens of a block of its attention's kernels."""
    bound: float | None
    """The estimate's error, as a share of the published seconds, is at most this; None: for information."""
    uneven: float = 1.0
    """Times the attention of a balanced row that the busiest rank computes."""

    @property
    def estimate(self) -> Estimate:
        return estimate(self.run, TPU_FAMILIES[self.chip].device, block=self.block)

    @property
    def estimated(self) -> float:
        """Seconds of a step."""
        found = self.estimate
        return found.seconds + (self.uneven - 1) * sum(phase.seconds for phase in found.phases if phase.name == "attention")

    @property
    def error(self) -> float:
        return self.estimated / self.seconds - 1


def _run(model: Model, mesh: Mesh, context: int, rows: int, remat: Remat = "full") -> RunConfig:
    return tpu_run(model, mesh, Memory(remat=remat), context_length=context, rows=rows, rope_theta=1e6)


def _short() -> list[Case]:
    table = {  # ulysses: (seconds, bound) at 64K, 128K, 256K
        1: ((1.42, 0.30), (3.71, 0.20), (10.78, 0.10)),
        2: ((1.38, 0.40), (3.49, 0.25), (10.24, 0.10)),
        4: ((1.04, 0.25), (2.88, 0.10), (9.50, 0.05)),
        8: ((1.20, 0.35), (2.93, 0.15), (9.34, 0.02)),
    }
    return [
        Case(
            name=f"MaxText Llama 3 8B, {length}K, ring {64 // degree} x {degree}" + (" (fitted)" if (degree, length) == (8, 256) else ""),
            chip="v5p",
            run=_run(LLAMA_3_8B, Mesh(sp=64, ulysses=degree), length * K, 1),
            seconds=seconds,
            block=512,
            bound=bound,
        )
        for degree, row in table.items()
        for length, (seconds, bound) in zip((64, 128, 256), row, strict=True)
    ]


def _large() -> list[Case]:
    """2M tokens a step."""
    ulysses = _run(LLAMA_3_8B, Mesh(fsdp=16, sp=4, ulysses=4), 64 * K, 32, "attention")
    wide, long = (_run(LLAMA_2_7B, Mesh(fsdp=4, sp=16, ulysses=degree), 32 * K, 64, "attention") for degree in (16, 1))
    whole = _run(LLAMA_2_7B, Mesh(sp=64, ulysses=1), 1024 * K, 2, "attention")
    rows = (
        ("Llama 3.1 8B, 64K, fsdp 16, ring 1 x 4 (fitted)", ulysses, flops(ulysses).model / (64 * 243.3e12), 2048, 0.02),
        ("Llama 2 7B, 32K, fsdp 4, ring 1 x 16", wide, 8.90, 2048, 0.25),
        ("Llama 2 7B, 32K, fsdp 4, ring 16 x 1", long, 16.38, 1024, 0.25),
        ("Llama 2 7B, 1M, ring 64 x 1", whole, 172.0, 1024, 0.10),
    )
    return [
        Case(name=f"MaxText {name}", chip="v5p", run=run, seconds=seconds, block=block, bound=bound)
        for name, run, seconds, block, bound in rows
    ]


def _lwm() -> list[Case]:
    """LWM's own wall-clock over its steps, Llama 2 7B on 256 v4: wall-clocks partly from memory and an older kernel, so for information."""
    stages = ((32, 64, 4, 1, 128, 24.0), (128, 32, 8, 1, 32, 54.0), (256, 16, 16, 1, 16, 100.0), (512, 8, 16, 2, 8, 235.0))
    model = LLAMA_2_7B.model_copy(update={"dtype": "float32"})
    return [
        Case(
            name=f"LWM, {length}K, fsdp {fsdp} tp {tp} sp {sp}",
            chip="v4",
            run=_run(model, Mesh(fsdp=fsdp, tp=tp, sp=sp, ulysses=1), length * K, rows),
            seconds=seconds,
            block=512,
            bound=None,
            uneven=2 - 1 / sp,
        )
        for length, fsdp, tp, sp, rows, seconds in (*stages, (1024, 4, 16, 4, 4, 464.0))
    ]


CASES: tuple[Case, ...] = (
    *_short(),
    *_large(),
    *_lwm(),
)


def table() -> str:
    lines = ["| configuration | published s | estimated s | error | bound |", "|---|---|---|---|---|"]
    for case in CASES:
        bound = "information" if case.bound is None else f"{case.bound:.0%}"
        lines.append(f"| {case.name} | {case.seconds:.4g} | {case.estimated:.3g} | {case.error:+.0%} | {bound} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
