"""Batches: right targets, no document sees another, and the same rows whoever asks."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.config import RunConfig
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.rows.loader import Batches, unigram_entropy
from support.builders import ALONE, a_run

LENGTH = 16


def config(**changes: Any) -> RunConfig:
    return a_run(**(ALONE | {"context_length": LENGTH, "batch_tokens": 4 * LENGTH} | changes))


def documents(*sizes: int) -> InMemoryDocuments:
    """Documents whose tokens are all different: document d holds 100 d, 100 d + 1, ..."""
    return InMemoryDocuments.from_tokens(
        [np.arange(100 * number, 100 * number + size, dtype=np.int32) for number, size in enumerate(sizes, start=1)]
    )


@given(st.lists(st.integers(min_value=2, max_value=50), min_size=1, max_size=12), st.integers(min_value=0, max_value=20))
def test_targets_positions_and_starts(sizes: list[int], step: int) -> None:
    batch = Batches(config(), {"books": documents(*sizes)}).batch(step)
    assert {name: (array.shape, array.dtype.name) for name, array in batch.items()} == {
        name: ((4, LENGTH), "float32" if name == "weights" else "int32")
        for name in ("tokens", "targets", "positions", "index", "start", "weights")
    }
    assert np.array_equal(batch["index"], np.tile(np.arange(LENGTH), (4, 1)))
    last = {100 * number + size - 1 for number, size in enumerate(sizes, start=1)}
    for row in range(4):
        tokens, start, targets, weights, positions = (batch[name][row] for name in ("tokens", "start", "targets", "weights", "positions"))
        for place in range(LENGTH):
            if tokens[place] == 0:
                assert (start[place], weights[place], targets[place], positions[place]) == (place + 1, 0, 0, 0)
                continue
            assert start[place] <= place
            assert positions[place] == place - start[place]
            seen = tokens[start[place] : place + 1]
            assert np.array_equal(seen, np.arange(seen[0], seen[0] + len(seen))), "a token sees another document"
            assert weights[place] == (0 if tokens[place] in last else 1)
            assert targets[place] == (tokens[place] + 1 if weights[place] else 0)


def test_a_long_document_s_pieces_end_with_the_next_token_as_target() -> None:
    batches = Batches(config(), {"books": documents(2 * LENGTH + 1)})
    targets = {int(batch["targets"][row, -1]) for batch in [batches.batch(0)] for row in range(4)}
    assert {100 + LENGTH, 100 + 2 * LENGTH} <= targets


@given(step=st.integers(min_value=0, max_value=40), split=st.permutations(range(4)), cut=st.integers(min_value=1, max_value=3))
def test_hosts_that_build_their_rows_build_the_global_batch(step: int, split: list[int], cut: int) -> None:
    books = {"books": documents(3, 9, 40, 16, 7, 7)}
    whole = Batches(config(), books).batch(step)
    one, other = (Batches(config(), books).rows(step, part) for part in (split[:cut], split[cut:]))
    for name, array in whole.items():
        assert np.array_equal(array[split], np.concatenate([one[name], other[name]]))


def test_steps_seeds_and_stages_have_batches_of_their_own() -> None:
    books = {"books": documents(*range(5, 45))}

    def seen(created: Batches, step: int) -> bytes:
        return b"".join(created.batch(step)[name].tobytes() for name in ("tokens", "targets", "weights"))

    batches = Batches(config(), books)
    first = [seen(batches, step) for step in range(20)]
    assert len(set(first)) == 20
    assert [seen(Batches(config(), books), step) for step in (7, 3)] == [first[7], first[3]]
    assert seen(Batches(config(seed=1), books), 0) != first[0]
    assert seen(Batches(config(stage_index=1, stage_count=2), books), 0) != first[0]


def test_two_data_sets_are_drawn_by_weight() -> None:
    datasets = [{"name": "few", "kind": "text", "uri": "/few", "weight": 1}, {"name": "many", "kind": "text", "uri": "/many", "weight": 3}]
    few, many = documents(LENGTH), InMemoryDocuments.from_tokens([np.full(LENGTH, 7, np.int32)])
    batches = Batches(config(datasets=datasets), {"few": few, "many": many})
    rows = np.concatenate([batches.batch(step)["tokens"][:, 0] for step in range(256)])
    assert int((rows == 7).sum()) == 768
    assert batches.fill == 1.0


def test_a_data_set_without_tokens_is_refused() -> None:
    with pytest.raises(DataError, match=r"datasets\[books\]: /books holds no token"):
        Batches(config(), {"books": documents()})


def test_entropy_counts_targets_only() -> None:
    tokens = np.array([9, 1, 2, 1, 2, 1, 2, 1, 2], np.int32)
    batches = Batches(config(), {"books": InMemoryDocuments.from_tokens([tokens])})
    assert unigram_entropy(batches, range(3)) == pytest.approx(math.log(2))


def flagged(*examples: tuple[str, str]) -> InMemoryDocuments:
    """Each as its tokens, `t` text or `v` vision, and which count, `1` or `0`; token ids count up from 1."""
    kinds, counts = ("".join(column) for column in zip(*examples, strict=True))
    vision, loss = (np.array([mark == one for mark in marks]) for marks, one in ((kinds, "v"), (counts, "1")))
    offsets = np.cumsum([0, *(len(each) for each, _ in examples)], dtype=np.int64)
    return InMemoryDocuments(np.arange(1, offsets[-1] + 1, dtype=np.int32), offsets, loss, vision)


EXAMPLES = (("tvvvt", "01011"), ("ttt", "111"), ("tttt", "0000"))
VISION = {"model": ALONE["model"] | {"vision": {"vocab_size": 16}}, "batch_tokens": LENGTH}


def row(**changes: Any) -> dict[str, list[Any]]:
    """The one row of EXAMPLES, longest example first; the last has no target and is dropped."""
    batch = Batches(config(**(VISION | changes)), {"books": flagged(*EXAMPLES)}).batch(0)
    return {name: array[0].tolist() for name, array in batch.items()}


def test_which_tokens_and_targets_are_vision_and_which_count() -> None:
    result = row()
    assert result["tokens"] == [1, 2, 3, 4, 5, 6, 7, 8] + [0] * 8
    assert result["vision"] == [0, 1, 1, 1, 0] + [0] * 11
    assert result["targets"] == [2, 3, 4, 5, 0, 7, 8, 0] + [0] * 8
    assert result["target_vision"] == [1, 1, 1, 0, 0] + [0] * 11
    assert result["weights"] == [1, 0, 1, 1, 0] + [1, 1, 0] + [0] * 8


def test_examples_that_weigh_alike_have_weights_that_add_up_to_one_for_each_modality_averaged_apart() -> None:
    together = row(loss={"weighting": "examples"})["weights"]
    np.testing.assert_allclose(together, [1 / 3, 0, 1 / 3, 1 / 3, 0] + [0.5, 0.5, 0] + [0] * 8)
    apart = row(loss={"weighting": "examples", "modalities": {}})["weights"]
    np.testing.assert_allclose(apart, [0.5, 0, 0.5, 1, 0] + [0.5, 0.5, 0] + [0] * 8)


def test_a_cut_document_s_pieces_are_examples_of_their_own_and_each_counts_its_last_target() -> None:
    batches = Batches(config(loss={"weighting": "examples"}), {"books": documents(LENGTH + 4)})
    rows = batches.batch(0)
    sums = {int(tokens[0]): (weights.sum(), weights[0]) for tokens, weights in zip(rows["tokens"], rows["weights"], strict=True)}
    assert sums == {100: (1.0, 1 / 16), 116: (pytest.approx(1.0), pytest.approx(1 / 3))}


def test_tokens_of_batches_are_counted_over_data_sets_and_epochs() -> None:
    datasets = [{"name": "books", "uri": "/b", "weight": 0.7}, {"name": "poems", "uri": "/p", "weight": 0.3}]
    batches = Batches(config(datasets=datasets), {"books": documents(3, 9, 40, 16, 7, 7), "poems": documents(5, 5, 13)})
    in_steps = [int((batch["start"] <= batch["index"]).sum()) for batch in map(batches.batch, range(30))]
    assert [batches.tokens(step) for step in range(30)] == in_steps
    assert [batches.tokens_before(step) for step in range(31)] == np.cumsum([0, *in_steps]).tolist()
