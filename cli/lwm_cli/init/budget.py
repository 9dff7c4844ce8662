"""`lwm init --budget`: steps that a number of chip-hours pays for, by the estimated seconds of a step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lwm_cli.errors import FileError
from lwm_cli.init.accelerators import Devices
from lwm_cli.init.ladder import Rung
from lwm_cli.init.meshes import Proposal

Stages = Sequence[tuple[Rung, Proposal]]


@dataclass(frozen=True)
class Budget:
    """What may be spent: an amount of money where `price`, that of a chip-hour, is given, else chip-hours."""

    amount: float
    price: float | None = None

    @property
    def chip_hours(self) -> float:
        return self.amount if self.price is None else self.amount / self.price

    def least(self, chip_hours: float) -> str:
        """An amount that pays for so many chip-hours, as it is given: rounded up."""
        if self.price is None:
            return f"{math.ceil(chip_hours):,} chip-hours"
        return f"{math.ceil(chip_hours * self.price):,} ({chip_hours:,.0f} chip-hours)"

    def words(self, chip_hours: float) -> str:
        """So many chip-hours, in words."""
        return f"{chip_hours:,.0f} chip-hours" + ("" if self.price is None else f" for {chip_hours * self.price:,.0f}")


def chip_hours_of(stages: Stages, devices: Devices) -> float:
    """What all steps take, by the estimate."""
    return devices.chips * sum(rung.steps * proposal.seconds for rung, proposal in stages) / 3600


def within(stages: Stages, devices: Devices, budget: Budget) -> tuple[Stages, str]:
    """The stages with as many steps as the budget pays for, at most LWM's, and a sentence that says so.

    Raises FileError where a stage would end within its warm-up, and for CPU devices, of which no speed is known.
    """
    if devices.gang.platform == "cpu":
        raise FileError("--budget: the speed of CPU devices is not known: leave it out, and change steps in the file")
    all_hours = chip_hours_of(stages, devices)
    share = min(1.0, budget.chip_hours / all_hours)
    band = "the estimate is good to a factor of two"
    if share == 1.0:
        return stages, f"All steps take about {budget.words(all_hours)}, within --budget; {band}."
    least = max((rung.warmup_steps + 1) / rung.steps for rung, _ in stages)
    if share < least:
        raise FileError(
            f"--budget: all steps take about {budget.words(all_hours)} by the estimate. The budget reaches {share:.1%} of them, and a "
            f"stage would end within its warm-up: give at least {budget.least(least * all_hours)}, a smaller --target-length or model"
        )
    cut = [(replace(rung, steps=int(rung.steps * share)), proposal) for rung, proposal in stages]
    return cut, (
        f"--budget reaches {share:.0%} of LWM's steps: all of them take about {budget.words(all_hours)}. "
        f"Each stage is cut in proportion, and will learn less; {band}."
    )
