"""Tokens per second from JSON lines to a token store, beside `map` of Hugging Face's datasets with the same tokenizer on the same file.

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

from benchmarks import timing
from benchmarks.data.sizes import Sizes
from benchmarks.measurements import Measurement
from devcluster.paths import REPOSITORY
from lwm_trainer.config import Dataset, PrepareConfig
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from quickstart.sample_texts import books

TOKENIZER = REPOSITORY / "quickstart" / "tokenizer" / "tokenizer.json"
VOCABULARY = 2048
LETTERS = 4000
"""Characters of a document."""
OURS, PEER = "ours", "datasets map"


def write_lines(path: Path, copies: int) -> None:
    """The King James Bible as documents of LETTERS letters, so many times over."""
    texts = [text[at : at + LETTERS] for text in books().values() for at in range(0, len(text), LETTERS)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) * copies)


def ours(source: Path, root: Path) -> int:
    dataset = Dataset(name="books", uri=str(source))
    config = PrepareConfig(training="bench", dataset=dataset, tokenizer=str(TOKENIZER), vocab_size=VOCABULARY, root=str(root), workers=1)
    store = prepare(config, 0, PreparationReport())
    if store is None:
        raise RuntimeError("the only worker has written no store")
    return store.tokens


def theirs(source: Path, root: Path) -> int:
    import datasets

    datasets.disable_progress_bars()
    tokenizer = tokenizers.Tokenizer.from_file(str(TOKENIZER))

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        return {"input_ids": [encoding.ids for encoding in tokenizer.encode_batch(batch["text"])]}

    read = datasets.load_dataset("json", data_files=str(source), split="train", cache_dir=str(root))
    mapped = read.map(encode, batched=True, remove_columns=["text"], load_from_cache_file=False)
    return int(pyarrow.compute.sum(pyarrow.compute.list_value_length(mapped.data.column("input_ids"))).as_py())


def preparation(sizes: Sizes) -> Iterable[Measurement]:
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="lwm-bench-") as folder:
        source = Path(folder) / "books.jsonl"
        write_lines(source, sizes.copies)
        fresh = (Path(folder) / str(number) for number in itertools.count())
        rounds, tokens = timing.rounds({OURS: lambda: ours(source, next(fresh)), PEER: lambda: theirs(source, next(fresh))}, sizes.budget)
        megabytes = source.stat().st_size / 1e6
    for name in (OURS, PEER):
        yield Measurement(
            name=f"preparation, {name}",
            value=tokens[name] / timing.seconds(rounds, name) / 1e6,
            unit="Mtoken/s",
            ratio=None if name == OURS else timing.ratio(rounds, OURS, name),
            note=f"{megabytes:.0f} MB of JSON lines, {tokens[name]:,} tokens",
        )
