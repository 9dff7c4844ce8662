"""One reason: the word in the REASON column, and what a user needs to know about it."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A value of `status.reason`. Each subclass is one group of the page docs/reasons.md, which is generated from these enums alone."""

    _value_: str
    meaning: str
    """One sentence."""
    example: str
    """An example of `status.message`, without the stage and attempt that it begins with."""
    fix: str
    """What the user should do; "Nothing" where the state passes by itself."""

    def __new__(cls, value: str, meaning: str, example: str, fix: str) -> Self:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.meaning, reason.example, reason.fix = meaning, example, fix
        return reason
