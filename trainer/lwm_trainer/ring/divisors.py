"""Arithmetic of sizes that must divide evenly."""


def largest_divisor(number: int, at_most: int) -> int:
    """The largest divisor of `number` that is at most `at_most`; both at least 1."""
    return next(size for size in range(min(number, at_most), 0, -1) if number % size == 0)
