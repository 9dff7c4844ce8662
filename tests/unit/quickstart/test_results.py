"""A training that ran on a claim, read from a copy of it."""

from pathlib import Path

from quickstart.results import reading_from
from support.builders import a_run


def test_data_and_tokenizer_of_the_run_are_looked_for_in_the_copy_and_nothing_else_changes(tmp_path: Path) -> None:
    on_claim = {"tokenizer": "/lwm/tokenizer/tokenizer.json", "datasets": [{"name": "books", "kind": "text", "uri": "/lwm/datasets/books"}]}
    run = a_run(**on_claim)
    config = reading_from(run, tmp_path)
    assert (config.tokenizer, config.datasets[0].uri) == (f"{tmp_path}/tokenizer/tokenizer.json", f"{tmp_path}/books")
    assert config.model_copy(update={"tokenizer": run.tokenizer, "datasets": run.datasets}) == run
