"""What one reason is: the word in the REASON column, and what a user needs to know about it."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A value of `status.reason`; its subclasses list them, a group each. The page docs/reasons.md is made from nothing else."""

    _value_: str
    meaning: str
    """One sentence."""
    example: str
    """An example of the line in `status.message`, without the words about stage and attempt that stand before it."""
    fix: str
    """What to do; "Nothing" and why where it passes by itself."""

    def __new__(cls, value: str, meaning: str, example: str, fix: str) -> Self:
        made = str.__new__(cls, value)
        made._value_ = value
        made.meaning, made.example, made.fix = meaning, example, fix
        return made
