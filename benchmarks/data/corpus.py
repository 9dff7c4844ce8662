"""Documents of the lengths that texts have: lognormal, none longer than a row, so that peers which split nothing can pack them, too."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.documents.in_memory import InMemoryDocuments

CONTEXT, MEDIAN, SIGMA, VOCABULARY, ROWS = 32_768, 2048, 1.2, 32_000, 8


def lengths(documents: int) -> NDArray[np.int64]:
    drawn = np.random.default_rng(0).lognormal(np.log(MEDIAN), SIGMA, documents)
    return np.clip(drawn, 16, CONTEXT).astype(np.int64)


def offsets(documents: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths(documents))])


@cache
def corpus(documents: int) -> InMemoryDocuments:
    """Documents of random tokens, in memory."""
    ends = offsets(documents)
    return InMemoryDocuments(np.random.default_rng(1).integers(1, VOCABULARY, ends[-1], dtype=np.int32), ends)


def run(**changes: Any) -> config.RunConfig:
    """A stage of batches of ROWS rows on one device."""
    fields: dict[str, Any] = {
        "training": "bench",
        "stage": "s",
        "stage_index": 0,
        "stage_count": 1,
        "attempt": 1,
        "gang": {"job": "b", "service": "b", "hosts": 1, "devices_per_host": 1, "platform": "cpu", "coordinator": "b:1"},
        "mesh": {},
        "model": {"layers": 1, "width": 8, "heads": 1, "kv_heads": 1, "head_dim": 8, "mlp_width": 8, "vocab_size": VOCABULARY},
        "tokenizer": "/tokenizer.json",
        "datasets": [{"name": "d", "uri": "/d"}],
        "context_length": CONTEXT,
        "batch_tokens": ROWS * CONTEXT,
        "rope_theta": 1e4,
        "steps": 1,
        "checkpoint": {"root": "/runs", "save_interval_steps": 1},
    }
    return config.RunConfig(**(fields | changes))
