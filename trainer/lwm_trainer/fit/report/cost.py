"""How long a stage takes and what it costs, by the estimated seconds of a step."""

from dataclasses import dataclass

from lwm_trainer.fit.fit import FitResult

FACTOR = 2
"""The estimate is to be read as this factor: `published` has its errors."""


@dataclass(frozen=True)
class Cost:
    """Hours and chip-hours of stages."""

    hours: float
    chip_hours: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.hours + other.hours, self.chip_hours + other.chip_hours)

    def words(self, price: float | None) -> str:
        """In words, with its band. `price`: of a chip-hour, in whatever money."""
        money = "" if price is None else f", for {_number(self.chip_hours * price)} ({_band(self.chip_hours * price)})"
        return f"{_number(self.hours)} hours ({_band(self.hours)}), {_number(self.chip_hours)} chip-hours ({_band(self.chip_hours)}){money}"


def stage_cost(fit: FitResult) -> Cost | None:
    """All steps of the stage; None where the step time is not estimated."""
    family = fit.target.tpu_family
    if fit.estimate is None or family is None:
        return None
    hours = fit.run.steps * fit.estimate.seconds / 3600
    return Cost(hours, hours * fit.run.mesh.size / family.devices_per_chip)


def cost_line(fit: FitResult, price: float | None) -> str:
    """Steps, tokens per second, hours and chip-hours of the stage; empty where the step time is not estimated."""
    cost = stage_cost(fit)
    if cost is None or fit.estimate is None:
        return ""
    rate = f"{_number(fit.run.batch_tokens / fit.estimate.seconds)} tokens/s"
    return f"The stage: {fit.run.steps:,} steps at {rate}: {cost.words(price)}; the estimate is good to a factor of {FACTOR}."


def _band(value: float) -> str:
    return f"{_number(value / FACTOR)} to {_number(value * FACTOR)}"


def _number(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
