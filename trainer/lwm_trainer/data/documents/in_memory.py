"""Documents of a data set in memory, as one flat array of token ids."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.documents.span import Span, span
from lwm_trainer.data.documents.store import Store
from lwm_trainer.data.encoding.bulk import Skips, examples
from lwm_trainer.data.encoding.concatenate import joined_loss, joined_tokens, joined_vision
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.reader import place, records
from lwm_trainer.data.records.shards import sources, whole
from lwm_trainer.storage.errors import DataCorruptError, DataMissingError


@dataclass(frozen=True)
class Documents:
    """Document d is `tokens[offsets[d]:offsets[d + 1]]`."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    loss: NDArray[np.bool_] | None = None
    """[tokens]: the token counts as a target; None: all but each document's first."""
    vision: NDArray[np.bool_] | None = None
    """[tokens]: the token is of the vision vocabulary; None: none is."""
    names: tuple[str, ...] = ()
    """Of the documents: file and line; none for documents that come from no file."""

    @classmethod
    def join(cls, documents: Sequence[NDArray[np.int32]]) -> "Documents":
        return cls.of(("", Example(document, None, None)) for document in documents)

    @classmethod
    def of(cls, named: Iterable[tuple[str, Example]]) -> "Documents":
        names, made = [], []
        for name, example in named:
            names.append(name)
            made.append(example)
        offsets = np.concatenate([[0], np.cumsum([len(example.tokens) for example in made])]).astype(np.int64)
        return cls(joined_tokens(made), offsets, joined_loss(made), joined_vision(made), tuple(names))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def name(self, document: int) -> str:
        """The file and line that the document came from."""
        return (self.names[document] if self.names else "") or f"document {document}"

    def read(self, begin: int, end: int) -> Span:
        """Tokens `begin` to `end` (exclusive) of the flat array."""
        here = slice(begin, end)
        loss, vision = (None if each is None else each[here] for each in (self.loss, self.vision))
        return span(self.tokens[here], loss, vision, begin, self.offsets)


def load_documents(config: RunConfig, tokenizer: Tokenizer) -> dict[str, Documents | Store]:
    """The documents of each of the stage's data sets, by name: opened where they are prepared, else read and encoded, in the order of
    their paths and lines.

    Raises DataCorruptError, with file and line, for a bad record that is not to be skipped; DataMissingError where no document is.
    """
    return {
        each.name: Store.open(each.prepared, each.uri) if each.prepared is not None else _load(config, each, tokenizer)
        for each in config.datasets
    }


def _load(config: RunConfig, dataset: Dataset, tokenizer: Tokenizer) -> Documents:
    vision = config.model.vision
    encode = encoder(dataset, tokenizer, vision.vocab_size if vision is not None else None, config.seed)
    listing, skips = sources(dataset.uri), Skips(dataset.on_bad_record)
    made = examples(records(listing, whole(listing)), encode, skips)
    found = Documents.of((place(record.uri, record.line), example) for record, example in made)
    require_documents(dataset, len(found), skips.count, skips.first)
    if skips.count:
        print(f"datasets[{dataset.name}]: {len(found)} documents, {skips.count} records skipped", file=sys.stderr, flush=True)
    return found


def require_documents(dataset: Dataset, documents: int, skipped: int, first: str) -> None:
    """Raises DataMissingError or DataCorruptError when there is none. `first`: why the first of the `skipped` records made none."""
    if documents:
        return
    where = f"datasets[{dataset.name}]: {dataset.uri}"
    if skipped:
        raise DataCorruptError(f"{where}: none of its {skipped} records makes a document; the first: {first}")
    raise DataMissingError(f"{where} holds no document: its files are empty")
