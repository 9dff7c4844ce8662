"""How full rows are and how long their plan takes."""

import time
from collections.abc import Iterable

import numpy as np

from benchmarks.attention.rows import Row
from benchmarks.data.corpus import CONTEXT, corpus, offsets, run
from benchmarks.data.peers import BINS, PACKERS, fill
from benchmarks.data.sizes import Effort
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.rows.packing import PackingPlan
from lwm_trainer.data.rows.selection import select_segments


def plan(documents: InMemoryDocuments, bucketed: bool = False) -> tuple[PackingPlan, float]:
    """And the seconds that it takes from lengths to the first row."""
    began = time.perf_counter()
    made = PackingPlan(select_segments(documents, CONTEXT, run().datasets[0]).segments, CONTEXT, 0, 0, 0, bucketed=bucketed)
    made.row(0)
    return made, time.perf_counter() - began


def packing(effort: Effort) -> Iterable[Row]:
    many = InMemoryDocuments(np.zeros(0, np.int32), offsets(effort.planned))
    for bucketed in (False, True):
        made, seconds = plan(many, bucketed)
        what = f"plan {effort.planned:,} documents, {'bucketed' if bucketed else 'mixed'}"
        yield Row(name=what, value=seconds, unit="s", note=f"{made.rows:,} rows of {CONTEXT:,}, {made.fill:.2%} full; no token is read")
    documents = corpus(effort.packed)
    ours, seconds = plan(documents)
    yield Row(
        name=f"fill {effort.packed:,} documents", value=100 * ours.fill, unit="%", note=f"{ours.rows:,} rows, planned in {seconds:.3f} s"
    )
    for packer in PACKERS:
        began = time.perf_counter()
        theirs = fill(documents, packer)
        took = time.perf_counter() - began
        note = f"{BINS} bins, {took:.1f} s with the tokens' copies: it has no plan apart; ratio: of the empty places"
        yield Row(name=f"fill, grain {packer}", value=100 * theirs, unit="%", ratio=(1 - theirs) / (1 - ours.fill), note=note)
