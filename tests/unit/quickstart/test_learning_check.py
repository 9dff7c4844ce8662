"""The learning check must be able to fail."""

import math

import numpy as np
import pytest

from quickstart.learning_check import check_learning, same_tokens_entropy, tokens_hash_of
from support.builders import ALONE, a_run


@pytest.mark.parametrize(
    ("last", "learned"),
    [(4.9, True), (4.94, True), (4.96, False), (5.95, False), (7.6, False), (math.nan, False), (math.inf, False)],
)
def test_only_a_full_nat_below_the_entropy_is_learning(last: float, learned: bool) -> None:
    check = check_learning([7.6] * 20 + [last] * 10, 5.95)
    assert check.learned is learned
    assert str(check).startswith("learned" if learned else "NOT learned")


def test_the_mean_of_the_last_ten_steps_counts() -> None:
    assert check_learning([0.0] * 20 + [4.0] * 5 + [6.0] * 5, 6.1).loss == 5.0
    with pytest.raises(ValueError, match="has 9 steps: the check needs 10"):
        check_learning([1.0] * 9, 6.0)


def test_the_entropy_is_of_the_tokens_of_the_record(tmp_path: pytest.TempPathFactory) -> None:
    from pathlib import Path

    from lwm_trainer.data.documents.in_memory import load_documents
    from lwm_trainer.data.encoding.tokenizer import Tokenizer
    from lwm_trainer.data.rows.loader import Batches
    from quickstart.tokenizer.train import PATH

    text = Path(str(tmp_path)) / "a.txt"
    text.write_text("and the evening and the morning were the first day. " * 50)
    datasets = [{"name": "books", "kind": "text", "uri": str(text)}]
    config = a_run(**(ALONE | {"tokenizer": str(PATH), "datasets": datasets, "context_length": 32, "batch_tokens": 64, "steps": 12}))
    batches = Batches(config, load_documents(config, Tokenizer.load(str(PATH), 2048)))
    hashes = np.array([tokens_hash_of(batches, step) for step in range(12)], np.uint32)
    assert 1.5 < same_tokens_entropy(config, hashes) < 3.0
    hashes[5] += 1
    with pytest.raises(ValueError, match="step 5: the recorded tokens are not those of the data"):
        same_tokens_entropy(config, hashes)
