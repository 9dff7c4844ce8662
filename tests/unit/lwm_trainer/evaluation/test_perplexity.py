"""Buckets of positions, means and intervals, from losses that are known."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm_trainer.evaluation.perplexity import bounds, buckets, document_losses, total_loss
from lwm_trainer.evaluation.perplexity_results import draw_perplexity, perplexity_results, perplexity_table
from lwm_trainer.evaluation.suite import SuiteError, Tokens
from support.letter_tokens import tokenize

TEXTS = ["x" * 100, "y" * 5, "z" * 300]


def score(tokens: Tokens) -> NDArray[np.float32]:
    """A loss of 1 / (position + 1)."""
    return (-1 / (1 + np.arange(len(tokens)))).astype(np.float32)


def run(texts: list[str], results: Path, most: int = 9) -> list[object]:
    return list(document_losses(texts, {"subject": "model"}, 128, most, tokenize, score, results))


@given(st.integers(1, 10_000))
def test_buckets_cover_every_position_once_and_end_at_powers_of_two(tokens: int) -> None:
    edges = bounds(tokens)
    assert [position for begin, end in edges for position in (begin, end)][1:-1:2] == [begin for begin, _ in edges[1:]]
    assert (edges[0][0], edges[-1][1]) == (0, tokens)
    assert all(end == 1 or math.log2(end).is_integer() for _, end in edges[:-1])


def test_losses_are_summed_by_position_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    documents = list(document_losses(TEXTS, {"subject": "model"}, 128, 9, tokenize, score, tmp_path / "losses"))
    assert [(document.tokens, document.left_out) for document in documents] == [(100, 0), (5, 0), (128, 172)]
    rows = {row.first: row for row in buckets(documents)}
    assert (rows[4].last, rows[4].tokens, rows[4].documents) == (7, 4 + 1 + 4, 3)
    assert rows[4].loss == pytest.approx((2 * (1 / 5 + 1 / 6 + 1 / 7 + 1 / 8) + 1 / 5) / 9, abs=1e-6)
    assert rows[4].low <= rows[4].loss <= rows[4].high
    assert rows[64].low < rows[64].loss < rows[64].high
    everything = sum(1 / (position + 1) for size in (100, 5, 128) for position in range(size)) / 233
    assert total_loss(documents) == pytest.approx(everything, abs=1e-6)
    written = perplexity_results(documents, "model", {})
    assert written["results"]["perplexity"]["token_perplexity,none"] == pytest.approx(math.exp(everything), abs=1e-5)
    assert written["left_out_tokens"] == 172
    assert "4-7" in perplexity_table(buckets(documents))
    draw_perplexity(buckets(documents), "known losses", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_run_scores_only_what_is_missing(tmp_path: Path) -> None:
    whole = run(TEXTS, tmp_path / "whole")
    lines = (tmp_path / "whole").read_text().splitlines(keepends=True)
    (tmp_path / "torn").write_text("".join(lines[:2]) + lines[2][:9])
    assert run(TEXTS, tmp_path / "torn") == whole
    assert (tmp_path / "torn").read_text() == (tmp_path / "whole").read_text()
    assert len(run(TEXTS, tmp_path / "two", most=2)) == 2
    with pytest.raises(SuiteError, match="has no document"):
        run([], tmp_path / "none")
    (tmp_path / "torn").write_text(lines[0] + lines[2])
    with pytest.raises(SuiteError, match="torn:2: is no result of this suite"):
        run(TEXTS, tmp_path / "torn")
