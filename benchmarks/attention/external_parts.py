"""The parts that stand in modules of their own, each with a function `rows()` that gives `Row`s or dictionaries with the same keys:
`work` counts what layouts make a ring compute, `gpu` measures kernels where there is a GPU.
"""

import importlib
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.attention.rows import Row
from benchmarks.attention.sizes import Effort
from devcluster.run import say

GPU = Path("/dev/nvidiactl")
OURS, PEERS = "planned", ("contiguous", "zigzag")
"""Of the layouts that `work` counts."""


def work(effort: Effort) -> Iterator[Row]:
    """Work done over work needed, and its balance over the ranks: counted, not timed."""
    return beside_peers(raw("work", tokens=effort.counted, rings=effort.counted_rings))


def gpu(_: Effort) -> list[Row]:
    """In a process of its own: this one has told JAX that there are eight CPU devices and nothing else."""
    if not GPU.exists():
        say("  no GPU here")
        return []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return [row(found) for found in process.submit(raw, "gpu").result()]


def raw(module: str, **arguments: Any) -> Sequence[Any]:
    found: Sequence[Any] = importlib.import_module(f"benchmarks.attention.{module}").rows(**arguments)
    return found


def row(found: Row | Mapping[str, Any]) -> Row:
    """Keys that a `Row` does not have are left out."""
    if isinstance(found, Row):
        return found
    return Row(**{key: value for key, value in found.items() if key in Row.__dataclass_fields__})


def beside_peers(found: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """The figures of our layout, each beside that of the other layouts, smaller being better; what only ours has stands alone."""
    figures = {(each["layout"], each["mix"], each["ring"], each["figure"]): each for each in found}
    for (layout, *key), each in figures.items():
        if layout != OURS:
            continue
        mix, ring, figure = key
        name, value, unit = f"{figure}, {mix}, ring of {ring}", each["value"], each["unit"]
        beside = [(peer, figures[peer, *key]["value"]) for peer in PEERS if (peer, *key) in figures]
        for peer, of_peer in beside:
            yield Row(name=f"{name} vs {peer}", value=value, unit=unit, ratio=of_peer / value if value else None)
        if not beside:
            yield Row(name=name, value=value, unit=unit)
