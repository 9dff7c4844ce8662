"""The parts `work` and `gpu`: modules whose function `rows()` returns `Measurement`s or dictionaries with the same keys.

`work` counts what layouts make a ring compute; `gpu` measures kernels where there is a GPU.
"""

import importlib
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.attention.sizes import Sizes
from benchmarks.measurements import Measurement
from devcluster.run import say

GPU = Path("/dev/nvidiactl")
OURS, PEERS = "planned", ("contiguous", "zigzag")
"""Layouts that `work` counts."""


def work(sizes: Sizes) -> Iterator[Measurement]:
    """Work done over work needed, and its balance over the ranks: counted, not timed."""
    return beside_peers(raw("work", tokens=sizes.counted, rings=sizes.counted_rings))


def gpu(_: Sizes) -> list[Measurement]:
    """Runs in a separate process: in this one JAX is configured for eight CPU devices and nothing else."""
    if not GPU.exists():
        say("  no GPU on this machine")
        return []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return [measurement(figure) for figure in process.submit(raw, "gpu").result()]


def raw(module: str, **arguments: Any) -> Sequence[Any]:
    figures: Sequence[Any] = importlib.import_module(f"benchmarks.attention.{module}").rows(**arguments)
    return figures


def measurement(figure: Measurement | Mapping[str, Any]) -> Measurement:
    """Keys that a `Measurement` does not have are left out."""
    if isinstance(figure, Measurement):
        return figure
    return Measurement(**{key: value for key, value in figure.items() if key in Measurement.__dataclass_fields__})


def beside_peers(counted: Iterable[Mapping[str, Any]]) -> Iterator[Measurement]:
    """The figures of our layout, each beside that of the other layouts, smaller being better; what only ours has stands alone."""
    figures = {(entry["layout"], entry["mix"], entry["ring"], entry["figure"]): entry for entry in counted}
    for (layout, *key), entry in figures.items():
        if layout != OURS:
            continue
        mix, ring, figure = key
        name, value, unit = f"{figure}, {mix}, ring of {ring}", entry["value"], entry["unit"]
        beside = [(peer, figures[peer, *key]["value"]) for peer in PEERS if (peer, *key) in figures]
        for peer, of_peer in beside:
            yield Measurement(name=f"{name} vs {peer}", value=value, unit=unit, ratio=of_peer / value if value else None)
        if not beside:
            yield Measurement(name=name, value=value, unit=unit)
