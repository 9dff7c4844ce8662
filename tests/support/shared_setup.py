"""Set-up for several pytest processes at once: the first one that comes makes it, the last one that leaves takes it away."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def shared(folder: Path, name: str, make: Callable[[], Any], remove: Callable[[Any], None] | None = None) -> Iterator[Any]:
    """What `make` returned to the first of those that hold `name` now, as JSON has it; `remove` gets it when the last one leaves.

    `folder` is one that all of them see. While one makes or removes, the others wait.
    """
    with _state(folder / f"{name}.json") as state:
        if not state["holders"]:
            state["value"] = make()
        state["holders"] += 1
        value = state["value"]
    try:
        yield value
    finally:
        with _state(folder / f"{name}.json") as state:
            state["holders"] -= 1
            if not state["holders"] and remove is not None:
                remove(value)


@contextmanager
def _state(path: Path) -> Iterator[dict[str, Any]]:
    """The content of the file, locked; it is written back unless the block raises."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        state: dict[str, Any] = json.loads(file.read() or '{"holders": 0, "value": null}')
        yield state
        file.truncate(0)
        file.write(json.dumps(state))
