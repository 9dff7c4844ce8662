"""`python -m benchmarks.attention.work`: what each layout makes a ring of N ranks compute, counted exactly; no attention is run."""

import argparse
import json
import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.attention.document_mixes import MIXES
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.layout import plan_layout, zigzag
from lwm_trainer.ring.work_accounting import attention_work

TOKENS = 2**20
RINGS = 8, 16, 64
BLOCK = Blockwise().largest_block // 2
"""Tokens of a query and of a masked key block."""
ROUNDS = 3

FIGURES = {
    "computed / needed": "1",
    "busiest rank / mean": "1",
    "slowest rank of each hop / mean": "1",
    "live hops": "1",
    "planner": "ms",
}
"""What is measured of every layout, and its unit; of the planned one also the planner's time on one core, the least of some rounds."""


def rows(
    tokens: int = TOKENS, rings: Sequence[int] = RINGS, block: int = BLOCK, mixes: Sequence[str] = tuple(MIXES)
) -> list[dict[str, object]]:
    """A dictionary for each figure: its name, value and unit, and the mix, the ring size and the layout that it is of."""
    figures: list[dict[str, object]] = []
    for mix in mixes:
        start = MIXES[mix](tokens)
        for ring in rings:
            planned, milliseconds = _timed(start, ring)
            layouts = {"contiguous": np.arange(tokens, dtype=np.int32), "zigzag": zigzag(tokens, ring), "planned": planned}
            for layout, order in layouts.items():
                done = attention_work(start, order, ring, block, block)
                values = [done.waste, done.imbalance, done.critical_path, done.hops, milliseconds if layout == "planned" else None]
                for (name, unit), value in zip(FIGURES.items(), values, strict=True):
                    if value is not None:
                        key = {"mix": mix, "ring": ring, "layout": layout, "figure": name}
                        figures.append({"name": f"{mix}, N={ring}, {layout}: {name}", "value": value, "unit": unit, **key})
    return figures


def _timed(start: NDArray[np.int32], ring: int) -> tuple[NDArray[np.int32], float]:
    """Order of the row's tokens by the planner, and the planner's milliseconds on one core."""
    least = float("inf")
    for _ in range(ROUNDS):
        begin = time.thread_time()
        order = plan_layout(start, ring)
        least = min(least, time.thread_time() - begin)
    return order, 1e3 * least


def table(figures: Sequence[dict[str, object]]) -> str:
    """One line for each mix, ring size and layout."""
    lines: dict[tuple[object, ...], dict[object, object]] = {}
    for figure in figures:
        lines.setdefault((figure["mix"], figure["ring"], figure["layout"]), {})[figure["figure"]] = figure["value"]
    head = f"{'mix':<16}{'N':>4}  {'layout':<12}" + "".join(f"{name:>33}" for name in FIGURES)
    return "\n".join(
        [
            head,
            *(
                f"{mix!s:<16}{ring!s:>4}  {layout!s:<12}" + "".join(_cell(of.get(name)) for name in FIGURES)
                for (mix, ring, layout), of in lines.items()
            ),
        ]
    )


def _cell(value: object) -> str:
    return f"{value:>33.3f}" if isinstance(value, float) else f"{'' if value is None else value:>33}"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attention.work", description=__doc__)
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of a row; default: %(default)s")
    parser.add_argument("--block", type=int, default=BLOCK, help="tokens of a query and of a key block; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    figures = rows(options.tokens, block=options.block)
    print(json.dumps(figures, indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
