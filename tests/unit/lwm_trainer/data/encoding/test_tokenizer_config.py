"""The files beside a tokenizer: which special tokens they name, and what is said of a broken one."""

import json
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.data.encoding.tokenizer_config import beside, parse_tokenizer_config, read_templates, read_tokenizer_config
from lwm_trainer.data.errors import DataCorruptError


def test_named_extra_and_added_special_tokens_are_special() -> None:
    values = {
        "bos_token": "<s>",
        "eos_token": {"content": "</s>", "lstrip": False},
        "pad_token": None,
        "add_bos_token": True,
        "additional_special_tokens": ["<a>", {"content": "<b>"}],
        "added_tokens_decoder": {"5": {"content": "<c>", "special": True}, "6": {"content": "<d>", "special": False}},
    }
    config = parse_tokenizer_config(json.dumps(values).encode(), "c.json")
    assert dict(config.token_names) == {"bos_token": "<s>", "eos_token": "</s>"}
    assert config.special_tokens == {"<s>", "</s>", "<a>", "<b>", "<c>"}
    config = parse_tokenizer_config(json.dumps({"extra_special_tokens": {"image_token": "<i>"}}).encode(), "c.json")
    assert dict(config.token_names) == {"image_token": "<i>"}


@pytest.mark.parametrize("values", [[3], {"chat_template": [3]}, {"eos_token": {"x": 1}}, {"added_tokens_decoder": [1]}])
def test_a_broken_config_is_named(values: Any) -> None:
    with pytest.raises(DataCorruptError, match=r"^c\.json: not a tokenizer_config\.json: "):
        parse_tokenizer_config(json.dumps(values).encode(), "c.json")


def test_a_tokenizer_may_stand_alone(tmp_path: Path) -> None:
    uri = str(tmp_path / "tokenizer.json")
    config = read_tokenizer_config(uri)
    assert (dict(config.token_names), config.special_tokens, config.uri) == ({}, frozenset(), str(tmp_path / "tokenizer_config.json"))
    assert read_templates(uri, config) == {}
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(DataCorruptError, match=r"chat_template\.jinja: byte 0 is not UTF-8"):
        read_templates(uri, config)


def test_addresses_keep_their_scheme() -> None:
    assert beside("gs://bucket/a/tokenizer.json", "c.json") == "gs://bucket/a/c.json"
    assert beside("/a/tokenizer.json", "c.json") == "/a/c.json"
