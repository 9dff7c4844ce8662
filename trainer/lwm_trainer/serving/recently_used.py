"""Some values by key, of which those that were used last are kept."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RecentlyUsed(Generic[Key, Value]):
    """May be used from several threads."""

    def __init__(self, most: int) -> None:
        """`most`: values that are kept."""
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._most, self._lock = most, threading.Lock()

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)

    def get(self, key: Key) -> Value | None:
        """None for a key that is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)
