"""The documents of a data set in memory, as flat arrays."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.documents.span import Span, make_span
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.drawn_epochs import in_epoch
from lwm_trainer.data.encoding.encode_records import SkippedRecords, encode_records
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import (
    Example,
    concatenate_loss_masks,
    concatenate_tokens,
    concatenate_vision_masks,
    document_offsets,
    example_epochs,
)
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataError, DataMissingError
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import record_location
from lwm_trainer.data.records.shards import single_shard
from lwm_trainer.data.records.source_files import list_record_files


@dataclass(frozen=True)
class InMemoryDocuments:
    """A `DocumentSource` of arrays: document d is `tokens[offsets[d]:offsets[d + 1]]`."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    loss_mask: NDArray[np.bool_] | None = None
    """[tokens], true where the token counts as a target; None: every token but each document's first counts."""
    vision_mask: NDArray[np.bool_] | None = None
    """[tokens], true where the token belongs to the vision vocabulary; None: no token does."""
    names: tuple[str, ...] = ()
    """File and line of each document; empty for documents that come from no file."""
    epochs: NDArray[np.uint8] | None = None
    """[documents], the set of epochs in which the document is used; None: all documents are used in every epoch."""

    @classmethod
    def from_tokens(cls, documents: Sequence[NDArray[np.int32]]) -> "InMemoryDocuments":
        """Documents without names or masks, one from each array of token ids."""
        return cls.from_examples(("", Example(document, None, None)) for document in documents)

    @classmethod
    def from_examples(cls, named_examples: Iterable[tuple[str, Example]]) -> "InMemoryDocuments":
        """One document from each pair of name and example."""
        names, examples = [], []
        for name, example in named_examples:
            names.append(name)
            examples.append(example)
        return cls(
            concatenate_tokens(examples),
            document_offsets(examples),
            concatenate_loss_masks(examples),
            concatenate_vision_masks(examples),
            tuple(names),
            example_epochs(examples),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def targets(self) -> NDArray[np.int64] | None:
        """Tokens of each document that count as targets."""
        if self.loss_mask is None:
            return None
        counts = np.zeros(len(self), np.int64)
        filled = np.flatnonzero(np.diff(self.offsets))
        if len(filled):
            first = self.offsets[filled]
            counts[filled] = np.add.reduceat(self.loss_mask, first, dtype=np.int64) - self.loss_mask[first]
        return counts

    def name(self, document: int) -> str:
        """The file and line that the document came from."""
        return (self.names[document] if self.names else "") or f"document {document}"

    def read(self, begin: int, end: int) -> Span:
        """Tokens `begin` to `end` (exclusive) of the flat array."""
        window = slice(begin, end)
        loss_mask, vision_mask = (None if mask is None else mask[window] for mask in (self.loss_mask, self.vision_mask))
        return make_span(self.tokens[window], loss_mask, vision_mask, begin, self.offsets)


def load_documents(config: RunConfig, tokenizer: Tokenizer) -> dict[str, InMemoryDocuments | TokenStore]:
    """Load each of the stage's data sets, by name.

    A prepared data set is opened; any other is read and encoded in the order of paths and lines.

    Raises DataCorruptError, with file and line, for a bad record when the policy is to fail, DataMissingError for a data set without
    documents, and DataError for a token store of another tokenizer.
    """
    return {
        dataset.name: _open_store(dataset.name, dataset.prepared, dataset.uri, tokenizer)
        if dataset.prepared is not None
        else _encode_dataset(config, dataset, tokenizer)
        for dataset in config.datasets
    }


def _open_store(name: str, uri: str, source_uri: str, tokenizer: Tokenizer) -> TokenStore:
    """Open a token store that was made with this tokenizer. Raises DataError for another, and what `TokenStore` raises."""
    store = TokenStore.open(uri, source_uri)
    recipe = store.recipe["recipe"]
    theirs = _tokenizer_identity(recipe["tokenizer"], recipe["begin"], recipe["end"])
    ours = _tokenizer_identity(tokenizer.sha256, tokenizer.begin_id, tokenizer.end_id)
    if theirs != ours:
        raise DataError(
            f"datasets[{name}]: the token store {uri} was made with {theirs}, but {tokenizer.uri} is {ours}: put the files of the tokenizer"
            " back as they were, or create the training anew, which prepares the data set again"
        )
    return store


def _tokenizer_identity(sha256: str, begin_id: int, end_id: int) -> str:
    return f"tokenizer {sha256[:16]} with begin token {begin_id} and end token {end_id}"


def _encode_dataset(config: RunConfig, dataset: Dataset, tokenizer: Tokenizer) -> InMemoryDocuments:
    if dataset.media is not None:
        raise DataError(
            f"datasets[{dataset.name}].media: pictures and clips are encoded by a preparation: set preparation, or prepare the data set"
        )
    if dataset.kind == "qa":
        raise DataError(f"datasets[{dataset.name}].kind: questions are made by a preparation: set preparation, or prepare the data set")
    vision = config.model.vision
    encode = encoder(dataset, tokenizer, vision.vocab_size if vision is not None else None, config.seed)
    listing, skipped = list_record_files(dataset.uri), SkippedRecords(dataset.on_bad_record)
    encoded = encode_records(read_records(listing, single_shard(listing)), encode, skipped)
    documents = InMemoryDocuments.from_examples((record_location(record.uri, record.line), example) for record, example in encoded)
    require_documents(dataset, len(documents), skipped.count, skipped.first)
    if skipped.count:
        count = int(in_epoch(documents.epochs, 0, len(documents)).sum())
        print(f"datasets[{dataset.name}]: {count} documents, {skipped.count} records skipped", file=sys.stderr, flush=True)
    return documents


def require_documents(dataset: Dataset, documents: int, skipped: int, first_skipped: str) -> None:
    """Raise an error when a data set has no document.

    Args:
        documents, skipped: how many records made a document and how many did not.
        first_skipped: why the first of the skipped records did not.

    Raises DataCorruptError when all records were skipped, DataMissingError when there are none.
    """
    if documents:
        return
    where = f"datasets[{dataset.name}]: {dataset.uri}"
    if skipped:
        raise DataCorruptError(f"{where}: none of its {skipped} records makes a document; the first: {first_skipped}")
    raise DataMissingError(f"{where} holds no document: its files are empty")
