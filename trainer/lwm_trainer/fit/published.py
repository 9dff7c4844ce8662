"""The estimate beside step times that others have published: `python -m lwm_trainer.fit.published` prints the table.

One number was fitted, `estimate.ATTENTION_SHARE`, on the row marked so; all others are checks. Bounds were set after the errors were
seen: they keep the estimate from getting worse and are no forecast. Not published, and assumed: that MaxText computed whole layers again
(our `layer`), and how the last three of its runs are laid out.
"""

from dataclasses import dataclass

from lwm_trainer.config import Memory, Mesh, Model, RunConfig
from lwm_trainer.fit.chips import CHIPS
from lwm_trainer.fit.estimate import Estimate, estimate
from lwm_trainer.fit.flops import flops
from lwm_trainer.fit.runs import LLAMA_2_7B, tpu_run

K = 1024
LLAMA_3_8B = Model(layers=32, width=4096, heads=32, kv_heads=8, head_dim=128, mlp_width=14336, vocab_size=128256, dtype="bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    chip: str
    run: RunConfig
    seconds: float
    """Of a step, as published or as it follows from what is published."""
    bound: float | None
    """The estimate's error, as a share of the published seconds, is at most this; None: for information."""

    @property
    def estimate(self) -> Estimate:
        return estimate(self.run, CHIPS[self.chip])

    @property
    def error(self) -> float:
        return self.estimate.seconds / self.seconds - 1


def _run(model: Model, mesh: Mesh, context: int, rows: int) -> RunConfig:
    return tpu_run(model, mesh, Memory(remat="layer"), context_length=context, rows=rows, rope_theta=1e6)


def _maxtext() -> list[Case]:
    """Llama 3 8B, context parallelism 64, one row, balanced, on 64 v5p."""
    table = {  # ulysses: (seconds, bound) at 64K, 128K, 256K
        1: ((1.42, 0.30), (3.71, 0.20), (10.78, 0.10)),
        4: ((1.04, 0.25), (2.88, 0.10), (9.50, 0.05)),
        8: ((1.20, 0.35), (2.93, 0.15), (9.34, 0.02)),
    }
    return [
        Case(
            name=f"MaxText Llama 3 8B, {length}K, ring {64 // degree} x {degree}" + (" (fitted)" if (degree, length) == (8, 256) else ""),
            chip="v5p",
            run=_run(LLAMA_3_8B, Mesh(sp=64, ulysses=degree), length * K, 1),
            seconds=seconds,
            bound=bound,
        )
        for degree, row in table.items()
        for length, (seconds, bound) in zip((64, 128, 256), row, strict=True)
    ]


def _others() -> list[Case]:
    """Llama 2 7B on v5p, where the estimate is far too slow: these kernels reach about twice the fitted share of the peak."""
    peak, short = CHIPS["v5p"].flops, 32 * K
    cases = [
        # 165 TF/s a chip over 172 s are this model's FLOPs, causal halved, on 64 chips.
        Case(
            name="MaxText Llama 2 7B, 1M, ring 64 x 1, 2M tokens",
            chip="v5p",
            run=_run(LLAMA_2_7B, Mesh(sp=64, ulysses=1), 1024 * K, 2),
            seconds=172.0,
            bound=0.80,
        )
    ]
    for degree, published in ((1, 0.285), (16, 0.522)):  # utilisation, by MaxText's count
        run = _run(LLAMA_2_7B, Mesh(sp=16, ulysses=degree), short, 1)
        cases.append(
            Case(
                name=f"MaxText Llama 2 7B, 32K, ring {16 // degree} x {degree}, utilisation {published:.1%}",
                chip="v5p",
                run=run,
                seconds=flops(run).model / (published * 16 * peak),
                bound=0.90,
            )
        )
    return cases


def _lwm() -> list[Case]:
    """LWM's own wall-clock over its steps, Llama 2 7B on 256 v4: wall-clocks partly from memory and an older kernel, so for information."""
    stages = ((32, 64, 4, 1, 128, 24.0), (128, 32, 8, 1, 32, 54.0), (256, 16, 16, 1, 16, 100.0), (512, 8, 16, 2, 8, 235.0))
    return [
        Case(
            name=f"LWM, {length}K, fsdp {fsdp} tp {tp} sp {sp}",
            chip="v4",
            run=_run(LLAMA_2_7B, Mesh(fsdp=fsdp, tp=tp, sp=sp, ulysses=1), length * K, rows),
            seconds=seconds,
            bound=None,
        )
        for length, fsdp, tp, sp, rows, seconds in (*stages, (1024, 4, 16, 4, 4, 464.0))
    ]


CASES: tuple[Case, ...] = (
    *_maxtext(),
    *_others(),
    *_lwm(),
)


def table() -> str:
    lines = ["| configuration | published s | estimated s | error | bound |", "|---|---|---|---|---|"]
    for case in CASES:
        bound = "information" if case.bound is None else f"{case.bound:.0%}"
        lines.append(f"| {case.name} | {case.seconds:g} | {case.estimate.seconds:.3g} | {case.error:+.0%} | {bound} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
