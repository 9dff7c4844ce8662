"""The type of options that are a finite number above 0: money, hours, frames of a second."""

import math
from typing import Any

import click


class PositiveNumber(click.FloatRange):
    """A number above 0. `click.FloatRange` alone admits nan and inf."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE_NUMBER = PositiveNumber()
