"""Documents of a data set as one flat array of token ids."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.data.source import File, read_files
from lwm_trainer.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class Documents:
    """Document d is `tokens[offsets[d]:offsets[d + 1]]`."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def join(cls, documents: Sequence[NDArray[np.int32]]) -> "Documents":
        lengths = [len(document) for document in documents]
        tokens = np.concatenate(documents) if documents else np.zeros(0)
        return cls(tokens.astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1


def load_documents(config: RunConfig, tokenizer: Tokenizer) -> dict[str, Documents]:
    """Tokenised documents of each of the stage's data sets, by name, in the order of their paths and lines."""
    return {dataset.name: Documents.join(tokenizer.encode(read_texts(dataset))) for dataset in config.datasets}


def read_texts(dataset: Dataset) -> list[str]:
    """The texts of a data set: a `.txt` file is one document, a line of a `.jsonl` file is one. DataCorruptError names file and line."""
    texts: list[str] = []
    for file in read_files(dataset.uri):
        texts.extend(_lines(file, dataset) if file.uri.endswith(".jsonl") else [_decode(file.content, file.uri)])
    if not texts:
        raise DataMissingError(f"datasets[{dataset.name}]: {dataset.uri} holds no document: its files are empty")
    return texts


def _lines(file: File, dataset: Dataset) -> Iterator[str]:
    for number, line in enumerate(file.content.splitlines(), start=1):
        place = f"{file.uri}:{number}"
        if not line.strip():
            continue
        try:
            record = json.loads(_decode(line, place))
        except json.JSONDecodeError as error:
            raise DataCorruptError(f"{place}: not JSON ({error.msg} at column {error.colno}): write one object a line") from error
        text = record.get(dataset.fields) if isinstance(record, dict) else None
        if not isinstance(text, str):
            raise DataCorruptError(f"{place}: no text under {dataset.fields!r}: add it or correct fields of data set {dataset.name!r}")
        yield text


def _decode(content: bytes, place: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataCorruptError(f"{place}: byte {error.start} is not UTF-8: save the file as UTF-8") from error
