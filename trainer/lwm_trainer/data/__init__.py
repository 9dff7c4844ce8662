"""Text in, batches out: sources, tokenizer, packing and the loader. numpy only; every batch is a pure function of (seed, step)."""

from lwm_trainer.data.documents import Documents, load_documents
from lwm_trainer.data.errors import DataError, StorageDeniedError, StorageUnavailableError
from lwm_trainer.data.loader import Batches, unigram_entropy
from lwm_trainer.data.tokenizer import Tokenizer

__all__ = [
    "Batches",
    "DataError",
    "Documents",
    "StorageDeniedError",
    "StorageUnavailableError",
    "Tokenizer",
    "load_documents",
    "unigram_entropy",
]
