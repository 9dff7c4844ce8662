"""The estimate beside published step times. `python -m lwm_trainer.fit.report.published` prints the table.

Two constants, `step_time.ATTENTION_MOST` and `BLOCK_COST`, were fitted to the two rows marked so; all others are checks. Bounds were set
after the errors were known: they keep the estimate from getting worse, and do not predict the error for other runs.

MaxText, all on 64 v5p, from the descriptions of its pull requests:
- 4893, Llama 3 8B: one row, balanced, context parallelism 64. Its commands (4836) leave blocks at 512 and rematerialize whole layers.
  Steps with short shards, 1,024 to 2,048 tokens per chip, take 0.2 to 0.7 s that the estimate does not explain.
- 4687: 2M tokens per step, attention outputs saved, blocks of 2048 for Ulysses and of 1024 for rings. Seconds as published, or as they
  follow from the published FLOP/s. Its ring overlaps all hops with attention, this estimate half of them; its exchange may use a plane of
  the torus, this estimate a strip of two.
- 4626, 1M: does not give blocks, rematerialization or mesh. They are taken as in 4687, by the same author four days later, with one ring.

LWM computed in float32 with JAX's default products, with contiguous shards, so that a ring of n waits for the rank that sees most keys:
2 - 1/n times the attention. Its blocks and rematerialization are not published; 512 and whole layers are assumed.
"""

from dataclasses import dataclass

from lwm_trainer.config import Memory, Mesh, Model, NumberType, Precision, Remat, RunConfig
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.estimate.flops import step_flops
from lwm_trainer.fit.estimate.step_time import StepTimeEstimate, estimate_step_time
from lwm_trainer.fit.synthetic_runs import LLAMA_2_7B, tpu_run

K = 1024
LLAMA_3_8B = Model(layers=32, width=4096, heads=32, kv_heads=8, head_dim=128, mlp_width=14336, vocab_size=128256)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStep:
    """A published step time, and a run config that describes the step."""

    name: str
    chip: str
    run: RunConfig
    seconds: float
    """Step time, as published or as it follows from published numbers."""
    block: int
    """Tokens of a block of its attention kernels."""
    bound: float | None
    """Largest allowed error of the estimate, as a share of the published seconds; None: for information only."""
    uneven: float = 1.0
    """Attention of the busiest rank over that of a balanced row."""

    @property
    def step_estimate(self) -> StepTimeEstimate:
        """The estimate for a balanced row."""
        return estimate_step_time(self.run, TPU_FAMILIES[self.chip].device, block=self.block)

    @property
    def estimated(self) -> float:
        """Estimated step time in seconds."""
        estimate = self.step_estimate
        return estimate.seconds + (self.uneven - 1) * sum(phase.seconds for phase in estimate.phases if phase.name == "attention")

    @property
    def error(self) -> float:
        """Relative error of the estimate."""
        return self.estimated / self.seconds - 1


def _run(model: Model, mesh: Mesh, context: int, rows: int, remat: Remat = "full", compute: NumberType = "bfloat16") -> RunConfig:
    precision = Precision(compute=compute, matmul="default" if compute == "float32" else None)
    return tpu_run(model, mesh, Memory(remat=remat), context_length=context, rows=rows, rope_theta=1e6, precision=precision)


def _maxtext_one_row() -> list[PublishedStep]:
    table = {  # ulysses: (seconds, bound) at 64K, 128K, 256K
        1: ((1.42, 0.30), (3.71, 0.20), (10.78, 0.10)),
        2: ((1.38, 0.40), (3.49, 0.25), (10.24, 0.10)),
        4: ((1.04, 0.25), (2.88, 0.10), (9.50, 0.05)),
        8: ((1.20, 0.35), (2.93, 0.15), (9.34, 0.02)),
    }
    return [
        PublishedStep(
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


def _maxtext_2m_tokens() -> list[PublishedStep]:
    """Steps of 2M tokens."""
    ulysses = _run(LLAMA_3_8B, Mesh(fsdp=16, sp=4, ulysses=4), 64 * K, 32, "attention")
    wide, long = (_run(LLAMA_2_7B, Mesh(fsdp=4, sp=16, ulysses=degree), 32 * K, 64, "attention") for degree in (16, 1))
    whole = _run(LLAMA_2_7B, Mesh(sp=64, ulysses=1), 1024 * K, 2, "attention")
    rows = (
        ("Llama 3.1 8B, 64K, fsdp 16, ring 1 x 4 (fitted)", ulysses, step_flops(ulysses).model / (64 * 243.3e12), 2048, 0.02),
        ("Llama 2 7B, 32K, fsdp 4, ring 1 x 16", wide, 8.90, 2048, 0.25),
        ("Llama 2 7B, 32K, fsdp 4, ring 16 x 1", long, 16.38, 1024, 0.25),
        ("Llama 2 7B, 1M, ring 64 x 1", whole, 172.0, 1024, 0.10),
    )
    return [
        PublishedStep(name=f"MaxText {name}", chip="v5p", run=run, seconds=seconds, block=block, bound=bound)
        for name, run, seconds, block, bound in rows
    ]


def _lwm() -> list[PublishedStep]:
    """LWM's own wall-clock time over its steps, Llama 2 7B on 256 v4. For information: some times are from memory, with an older kernel."""
    stages = ((32, 64, 4, 1, 128, 24.0), (128, 32, 8, 1, 32, 54.0), (256, 16, 16, 1, 16, 100.0), (512, 8, 16, 2, 8, 235.0))
    return [
        PublishedStep(
            name=f"LWM, {length}K, fsdp {fsdp} tp {tp} sp {sp}",
            chip="v4",
            run=_run(LLAMA_2_7B, Mesh(fsdp=fsdp, tp=tp, sp=sp, ulysses=1), length * K, rows, compute="float32"),
            seconds=seconds,
            block=512,
            bound=None,
            uneven=2 - 1 / sp,
        )
        for length, fsdp, tp, sp, rows, seconds in (*stages, (1024, 4, 16, 4, 4, 464.0))
    ]


PUBLISHED_STEPS: tuple[PublishedStep, ...] = (
    *_maxtext_one_row(),
    *_maxtext_2m_tokens(),
    *_lwm(),
)


def comparison_table() -> str:
    """The comparison as a Markdown table."""
    lines = ["| configuration | published s | estimated s | error | bound |", "|---|---|---|---|---|"]
    for case in PUBLISHED_STEPS:
        bound = "information" if case.bound is None else f"{case.bound:.0%}"
        lines.append(f"| {case.name} | {case.seconds:.4g} | {case.estimated:.3g} | {case.error:+.0%} | {bound} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(comparison_table())
