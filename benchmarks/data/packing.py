"""How full rows are, and how long their plan takes."""

import time
from collections.abc import Iterable

import numpy as np

from benchmarks.data.corpus import CONTEXT, corpus, offsets, run
from benchmarks.data.peers import BINS, PACKERS, fill
from benchmarks.data.sizes import Sizes
from benchmarks.measurements import Measurement
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.rows.packing import PackingPlan
from lwm_trainer.data.rows.selection import select_segments


def plan(documents: InMemoryDocuments, bucketed: bool = False) -> tuple[PackingPlan, float]:
    """The plan of the rows, and the seconds from lengths to the first row."""
    began = time.perf_counter()
    packed = PackingPlan(select_segments(documents, CONTEXT, run().datasets[0]).segments, CONTEXT, 0, 0, 0, bucketed=bucketed)
    packed.row(0, 0)
    return packed, time.perf_counter() - began


def packing(sizes: Sizes) -> Iterable[Measurement]:
    many = InMemoryDocuments(np.zeros(0, np.int32), offsets(sizes.planned))
    for bucketed in (False, True):
        packed, seconds = plan(many, bucketed)
        what = f"plan {sizes.planned:,} documents, {'bucketed' if bucketed else 'mixed'}"
        yield Measurement(
            name=what, value=seconds, unit="s", note=f"{packed.rows:,} rows of {CONTEXT:,}, {packed.fill:.2%} full; no token is read"
        )
    documents = corpus(sizes.packed)
    ours, seconds = plan(documents)
    yield Measurement(
        name=f"fill {sizes.packed:,} documents", value=100 * ours.fill, unit="%", note=f"{ours.rows:,} rows, planned in {seconds:.3f} s"
    )
    for packer in PACKERS:
        began = time.perf_counter()
        theirs = fill(documents, packer)
        took = time.perf_counter() - began
        note = f"{BINS} bins, {took:.1f} s with the tokens' copies: it has no plan apart; ratio: of the empty places"
        yield Measurement(name=f"fill, grain {packer}", value=100 * theirs, unit="%", ratio=(1 - theirs) / (1 - ours.fill), note=note)
