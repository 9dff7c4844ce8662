"""Text in, batches out: sources, tokenizer, packing and the loader. numpy only; every batch is a pure function of (seed, step)."""

from lwm_trainer.data.documents.in_memory import Documents, load_documents
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches, unigram_entropy
from lwm_trainer.storage.errors import DataError, StorageDeniedError, StorageUnavailableError

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
