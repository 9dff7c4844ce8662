"""What lies beside a `tokenizer.json`: the names of its special tokens and its chat templates, as Hugging Face saves them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.errors import FileMissingError
from lwm_trainer.storage.files import File, read_files

CONFIG, TEMPLATE, TEMPLATE_FOLDER = "tokenizer_config.json", "chat_template.jinja", "additional_chat_templates"


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """The content of a `tokenizer_config.json`; empty when there is none."""

    uri: str = ""
    token_names: Mapping[str, str] = field(default_factory=dict)
    """Special tokens by the names that a template knows them by, such as bos_token."""
    special_tokens: frozenset[str] = frozenset()
    """All tokens that the file calls special, named or not."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Chat templates by name; a single one is `default`."""


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """The text of a chat template."""

    uri: str
    """The file that holds it."""
    source: str


def beside(uri: str, name: str) -> str:
    """The address of a file in the folder of `uri`."""
    scheme, separator, path = uri.rpartition("://")
    return f"{scheme}{separator}{PurePosixPath(path).parent / name}"


def read_tokenizer_config(tokenizer_uri: str) -> TokenizerConfig:
    """Read the `tokenizer_config.json` beside a tokenizer. Raises DataCorruptError and what `read_files` raises."""
    uri = beside(tokenizer_uri, CONFIG)
    files = _read(uri, CONFIG)
    return parse_tokenizer_config(files[0].content, uri) if files else TokenizerConfig(uri)


def parse_tokenizer_config(content: bytes, uri: str) -> TokenizerConfig:
    """Raises DataCorruptError."""
    try:
        values = json.loads(content)
        template = values.get("chat_template")
        named = {entry["name"]: entry["template"] for entry in template} if isinstance(template, list) else {"default": template}
        names = {name: _text(value) for name, value in values.items() if name.endswith("_token")}
        extra = values.get("extra_special_tokens") or values.get("additional_special_tokens") or []
        if isinstance(extra, dict):  # model-specific tokens by name
            names |= {name: _text(value) for name, value in extra.items()}
            extra = []
        token_names = {name: token for name, token in names.items() if token is not None}
        added = [_text(token) for token in (values.get("added_tokens_decoder") or {}).values() if token.get("special")]
        special = {*token_names.values(), *map(_text, extra), *added} - {None}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise DataCorruptError(f"{uri}: not a tokenizer_config.json: {error}") from error
    templates = {name: text for name, text in named.items() if isinstance(text, str)}
    return TokenizerConfig(uri, token_names, frozenset(token for token in special if token), templates)


def read_templates(tokenizer_uri: str, config: TokenizerConfig) -> dict[str, TemplateSource]:
    """The chat templates of a tokenizer by name. Files of their own replace those in `tokenizer_config.json`, as in transformers.

    Raises DataCorruptError for a file that is not UTF-8, and what `read_files` raises.
    """
    default = [("default", file) for file in _read(beside(tokenizer_uri, TEMPLATE), TEMPLATE)]
    others = _read(beside(tokenizer_uri, TEMPLATE_FOLDER), ".jinja")
    named = [*default, *((PurePosixPath(file.uri).stem, file) for file in others)]
    if named:
        return {name: TemplateSource(file.uri, _decode(file)) for name, file in named}
    return {name: TemplateSource(config.uri, source) for name, source in config.templates.items()}


def _read(uri: str, suffix: str) -> list[File]:
    try:
        return read_files(uri, (suffix,))
    except FileMissingError:
        return []


def _decode(file: File) -> str:
    try:
        return file.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataCorruptError(f"{file.uri}: byte {error.start} is not UTF-8: save the file as UTF-8") from error


def _text(token: Any) -> str | None:
    """The text of a token that is written as a string or as an object; None for null and settings such as `add_bos_token`."""
    value = token["content"] if isinstance(token, dict) else token
    return value if isinstance(value, str) else None
