"""Where a prepared data set is stored: in a folder named by a hash of all that decides its content, so that equal data sets share it."""

import hashlib
from typing import Any

from lwm_trainer.config import Dataset, PrepareConfig
from lwm_trainer.data.documents.store_schema import FORMAT, to_json
from lwm_trainer.data.drawn_epochs import DRAWN_EPOCHS
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.tokenizer_config import read_templates
from lwm_trainer.storage.listing import Listing

_NOT_IN_RECIPE = {"name", "uri", "weight", "documents", "on_bad_record", "accept_change_to", "prepared", "media"}
"""Fields of a data set that do not change the store: rows are made from it later, and bad records are in no store. The
tokenizer of media counts by its fingerprint."""


_DRAWS = 2
"""How draws are made. 1: each epoch drew one of a record's field lines by itself. 2: the lines take turns."""


def store_recipe(config: PrepareConfig, tokenizer: Tokenizer, listing: Listing, media: dict[str, Any] | None = None) -> dict[str, Any]:
    """All that decides the content of a store, as JSON.

    Files count by name below the source, size and version, so the same files at another address make the same store. `media`
    is the identity of what encodes pictures and clips; None for a data set without.
    """
    recipe: dict[str, Any] = {
        "format": FORMAT,
        "dataset": _dataset_recipe(config.dataset),
        "tokenizer": tokenizer.sha256,
        "specialTokens": sorted(tokenizer.special_ids.values()),
        "begin": tokenizer.begin_id,
        "end": tokenizer.end_id,
        "vocabSize": config.vocab_size,
        "files": [[entry.name, entry.size, entry.version] for entry in listing.entries],
    }
    if config.dataset.kind == "vision":
        recipe["visionVocabSize"] = config.vision_vocab_size
    if media is not None:
        recipe["media"] = media
    if config.dataset.is_drawn:
        recipe |= {"seed": config.seed, "drawnEpochs": DRAWN_EPOCHS, "draws": _DRAWS}
    if config.dataset.kind in ("chat", "qa") and config.dataset.chat.template == "tokenizer":
        templates = {name: template.source for name, template in read_templates(tokenizer.uri, tokenizer.config).items()}
        recipe["template"] = hashlib.sha256(to_json({"templates": templates, "tokens": dict(tokenizer.config.token_names)})).hexdigest()
    return recipe


def _dataset_recipe(dataset: Dataset) -> dict[str, Any]:
    """The fields that decide the content. Stores that were made before there were questions keep their folders."""
    exclude = {**dict.fromkeys(_NOT_IN_RECIPE, True), "qa": {"endpoint": {"url", "key_variable"}} if dataset.qa is not None else True}
    return dataset.model_dump(mode="json", by_alias=True, exclude=exclude)


def store_folder(root: str, recipe: dict[str, Any]) -> str:
    """The folder of a store below the root: 16 hexadecimal digits of the recipe's SHA-256."""
    return f"{root.rstrip('/')}/{hashlib.sha256(to_json(recipe)).hexdigest()[:16]}"
