"""The stages of a training up to a target length, with LWM's lengths, rotary bases, tokens and learning rates (arXiv 2402.08268)."""

from dataclasses import dataclass, replace
from typing import Literal

from lwm_trainer.config import least_theta

Kind = Literal["text", "chat", "vision"]


@dataclass(frozen=True)
class Rung:
    """A stage without its mesh."""

    context_length: int
    theta: float
    steps: int
    warmup_steps: int
    learning_rate: float
    batch_tokens: int
    documents: tuple[int, int | None] | None = None
    """Least and largest number of tokens of the documents that it trains on; None: any."""


TEXT = (
    Rung(32_768, 1e6, 1200, 100, 4e-5, 4_194_304, (10_000, 100_000)),
    Rung(131_072, 1e7, 3000, 200, 4e-5, 4_194_304, (100_000, 200_000)),
    Rung(262_144, 1e7, 3000, 200, 4e-5, 4_194_304, (200_000, 500_000)),
    Rung(524_288, 2.5e7, 720, 50, 4e-5, 4_194_304, (500_000, 1_000_000)),
    Rung(1_048_576, 5e7, 450, 25, 4e-5, 4_194_304, (1_000_000, None)),
)
"""Table 11."""
CHAT = (
    Rung(32_768, 5e7, 1200, 100, 8e-5, 8_388_608),
    Rung(131_072, 5e7, 450, 50, 8e-5, 8_388_608),
    Rung(1_048_576, 5e7, 50, 5, 8e-5, 8_388_608),
)
"""The chat stages of table 13."""
VISION = (Rung(1024, 5e7, 45_000, 1000, 6e-4, 8_388_608), Rung(8192, 5e7, 14_000, 500, 6e-4, 8_388_608), *CHAT)
"""Table 13."""
TINY = (
    Rung(128, 1e4, 60, 5, 1e-2, 2048),
    Rung(512, 4e4, 40, 5, 5e-3, 2048),
    Rung(2048, 1.6e5, 40, 5, 5e-3, 4096),
)
"""For a minute on two cores."""


def ladder(kind: Kind, target: int, model_length: int, model_theta: float, devices: int, tiny: bool) -> list[Rung]:
    """The stages up to `target` tokens; the last one has it.

    Args:
        model_length: tokens of context that the model has already; no text stage is shorter.
        model_theta: its rotary base; no stage goes below it, and a stage within `model_length` needs no other.
        devices: a step of a tiny training has at least as many rows.
    """
    table = TINY if tiny else {"text": TEXT, "chat": CHAT, "vision": VISION}[kind]
    if kind == "vision" and tiny:
        table = table[1:]  # a frame has 256 tokens
    rungs = [rung for rung in table if rung.context_length < target]
    if kind == "text" and not tiny:
        rungs = [rung for rung in rungs if rung.context_length > model_length]
    last = next((rung for rung in table if rung.context_length >= target), table[-1])
    if last.context_length != target:
        theta = last.theta if last.context_length > target else max(last.theta, _round_up(least_theta(target)))
        last = replace(last, context_length=target, theta=theta, documents=last.documents and (target * 3 // 4, None))
    rungs.append(last)
    if kind != "text":  # the rotary base stays that of the model whose context has grown
        rungs = [replace(rung, theta=max(_theta_of(target, tiny), model_theta)) for rung in rungs]
    return [
        replace(
            rung,
            theta=model_theta if rung.context_length <= model_length else max(rung.theta, model_theta),
            batch_tokens=max(rung.batch_tokens // rung.context_length, devices if tiny else 1) * rung.context_length,
        )
        for rung in rungs
    ]


def _theta_of(length: int, tiny: bool) -> float:
    table = TINY if tiny else TEXT
    return next((rung.theta for rung in table if rung.context_length >= length), table[-1].theta)


def _round_up(theta: float) -> float:
    """To two digits."""
    digits = 10.0 ** (len(str(int(theta))) - 2)
    return float(-(-theta // digits) * digits)
