"""JSON objects in which each key stands once."""

from typing import Any


class DuplicateKeyError(ValueError):
    """A key is in an object twice."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs, as json.loads' `object_pairs_hook`. Raises DuplicateKeyError."""
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise DuplicateKeyError(next(key for index, key in enumerate(keys) if key in keys[:index]))
    return value
