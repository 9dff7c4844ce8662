"""Tokens a second from JSON lines to a token store, beside `map` of Hugging Face's datasets with the same tokenizer on the same file.

One process each, with the tokenizer's own threads; nothing is reused from round to round.
"""

import itertools
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.compute
import tokenizers

from benchmarks.attention import timing
from benchmarks.attention.rows import Row
from benchmarks.data.sizes import Effort
from devcluster.paths import REPOSITORY
from lwm_trainer.config import Dataset, PrepareConfig
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from quickstart.sample_texts import books

TOKENIZER = REPOSITORY / "quickstart" / "tokenizer" / "tokenizer.json"
VOCABULARY = 2048
LETTERS = 4000
"""Of a document."""
OURS, PEER = "ours", "datasets map"


def write_lines(path: Path, copies: int) -> None:
    """The King James Bible as documents of LETTERS letters, so many times over."""
    texts = [text[at : at + LETTERS] for text in books().values() for at in range(0, len(text), LETTERS)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) * copies)


def ours(source: Path, root: Path) -> int:
    dataset = Dataset(name="books", uri=str(source))
    wanted = PrepareConfig(training="bench", dataset=dataset, tokenizer=str(TOKENIZER), vocab_size=VOCABULARY, root=str(root), workers=1)
    found = prepare(wanted, 0, PreparationReport())
    if found is None:
        raise RuntimeError("the one worker has made no store")
    return found.tokens


def theirs(source: Path, root: Path) -> int:
    import datasets

    datasets.disable_progress_bars()
    tokenizer = tokenizers.Tokenizer.from_file(str(TOKENIZER))

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        return {"input_ids": [found.ids for found in tokenizer.encode_batch(batch["text"])]}

    read = datasets.load_dataset("json", data_files=str(source), split="train", cache_dir=str(root))
    mapped = read.map(encode, batched=True, remove_columns=["text"], load_from_cache_file=False)
    return int(pyarrow.compute.sum(pyarrow.compute.list_value_length(mapped.data.column("input_ids"))).as_py())


def preparation(effort: Effort) -> Iterable[Row]:
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="lwm-bench-") as folder:
        source = Path(folder) / "books.jsonl"
        write_lines(source, effort.copies)
        fresh = (Path(folder) / str(number) for number in itertools.count())
        done, tokens = timing.rounds({OURS: lambda: ours(source, next(fresh)), PEER: lambda: theirs(source, next(fresh))}, effort.budget)
        megabytes = source.stat().st_size / 1e6
    for name in (OURS, PEER):
        yield Row(
            name=f"preparation, {name}",
            value=tokens[name] / timing.seconds(done, name) / 1e6,
            unit="Mtoken/s",
            ratio=None if name == OURS else timing.ratio(done, OURS, name),
            note=f"{megabytes:.0f} MB of JSON lines, {tokens[name]:,} tokens",
        )
