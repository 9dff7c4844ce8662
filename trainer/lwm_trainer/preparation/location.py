"""Where a data set lies prepared: a folder named by all that decides its content, so that those who ask for the same share it."""

import hashlib
from typing import Any

from lwm_trainer.config import Dataset, PrepareConfig
from lwm_trainer.data.documents.store_schema import FORMAT, to_json
from lwm_trainer.data.encoding.chat_template import CONFIG, config_uri
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.storage.files import read_files
from lwm_trainer.storage.listing import Listing

_ELSEWHERE = {"name", "uri", "weight", "documents", "on_bad_record", "prepared"}
"""Of a data set, what decides nothing in the store: rows are made of it later, and bad records are in none."""


def recipe(config: PrepareConfig, tokenizer: Tokenizer, listing: Listing) -> dict[str, Any]:
    """All that decides the content. Files count by name below the source, size and version: where they lie does not matter."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "dataset": config.dataset.model_dump(mode="json", by_alias=True, exclude=_ELSEWHERE),
        "tokenizer": tokenizer.sha256,
        "vocabSize": config.vocab_size,
        "files": [[entry.name, entry.size, entry.version] for entry in listing.entries],
    }
    if config.dataset.kind == "vision":
        made["visionVocabSize"] = config.vision_vocab_size
    if _draws(config.dataset):
        made["seed"] = config.seed
    if config.dataset.kind == "chat" and config.dataset.chat.template == "tokenizer":
        (template,) = read_files(config_uri(tokenizer), (CONFIG,))
        made["template"] = hashlib.sha256(template.content).hexdigest()
    return made


def _draws(dataset: Dataset) -> bool:
    return dataset.fields_from_example is not None or dataset.frames.unconditional > 0


def folder_of(root: str, made_by: dict[str, Any]) -> str:
    """16 hexadecimal digits below the root."""
    return f"{root.rstrip('/')}/{hashlib.sha256(to_json(made_by)).hexdigest()[:16]}"
