"""Quantities in Kubernetes notation: parsing, and what is wrong with one."""

import re
from fractions import Fraction

QUANTITY_PATTERN = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$"
"""A quantity that is not negative. The API server admits no other; exponents are limited to two digits."""

_SHAPE = re.compile(QUANTITY_PATTERN)
_DECIMAL = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_LIKE_A_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgtpe])(i?)(?:b|byte|bytes)?\s*", re.IGNORECASE)


def parse_quantity(value: int | str) -> Fraction | None:
    """The exact number, such as 2**34 for 16Gi; None if the value is not a quantity or is negative."""
    match = _SHAPE.fullmatch(str(value))
    if match is None:
        return None
    number, unit = match[1], match[3] or ""
    if unit in _BINARY:
        return Fraction(number) * (1 << _BINARY[unit])
    exponent = int(unit[1:]) if unit[:1] in ("e", "E") and len(unit) > 1 else _DECIMAL[unit]
    return Fraction(number) * Fraction(10) ** exponent


def quantity_error(value: int | str) -> str | None:
    """What is wrong with the value, and the fix; None if it is a quantity."""
    if parse_quantity(value) is not None:
        return None
    text = str(value)
    if text.strip().startswith("-"):
        return f"{text} is negative: use 0 or more"
    if match := _LIKE_A_SIZE.fullmatch(text):
        number, letter, binary = match.groups()
        decimal = f"{number}{'k' if letter in 'kK' else letter.upper()}"
        binary_size = f"{number}{letter.upper()}i"
        return f'"{text}" is no quantity: use {binary_size if binary else f"{decimal} or {binary_size}"}'
    return f'"{text}" is no quantity: use a number, with a unit of Kubernetes where it needs one, such as 500m, 16G or 16Gi'
