"""The identity of a data set: a hash of its documents, which is another one whenever they would make other batches."""

import hashlib

import numpy as np

from lwm_trainer.config import Dataset, DatasetIdentity
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.documents.store_schema import to_json
from lwm_trainer.data.drawn_epochs import in_epoch
from lwm_trainer.data.encoding.tokenizer import Tokenizer

_HASH_DIGITS = 16


def identify(dataset: Dataset, documents: InMemoryDocuments | TokenStore, tokenizer: Tokenizer) -> DatasetIdentity:
    """The identity of a data set that was loaded with a tokenizer.

    Documents in memory are hashed themselves, so that files that were copied, renamed or touched are still the same data. Of a token
    store, which is read in parts, the recipe is hashed: the files with their sizes and versions, and how they were encoded.
    """
    if isinstance(documents, TokenStore):
        content = hashlib.sha256(to_json(documents.recipe["recipe"]))
    else:
        content = hashlib.sha256(documents.offsets.tobytes())
        content.update(documents.tokens.data)
        for mask in (documents.loss_mask, documents.vision_mask):
            content.update(b"default" if mask is None else mask.data)
        if documents.epochs is not None:
            content.update(documents.epochs.data)
    in_first = in_epoch(documents.epochs, 0, len(documents))
    return DatasetIdentity(
        source=dataset.uri,
        content=content.hexdigest()[:_HASH_DIGITS],
        documents=int(in_first.sum()),
        tokens=int(np.diff(documents.offsets)[in_first].sum()),
        begin_id=tokenizer.begin_id,
        end_id=tokenizer.end_id,
        weight=dataset.weight,
        selection=dataset.documents,
    )
