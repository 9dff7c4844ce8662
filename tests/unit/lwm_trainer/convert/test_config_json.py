"""Each odd value of a config.json is refused by a sentence with the file and the field, under its name in the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.convert.config_json import SIZES, read_config
from lwm_trainer.convert.errors import ConversionError
from unit.lwm_trainer.convert.test_round_trip import MODELS

CONTENT: dict[str, Any] = json.loads((MODELS / "llama31" / "config.json").read_bytes())
ROPE: dict[str, Any] = CONTENT["rope_parameters"]
NUMBERS = (*SIZES.values(), "max_position_embeddings", "rope_theta")


def refusal(file: Path, content: str) -> str:
    file.write_text(content)
    with pytest.raises(ConversionError) as raised:
        read_config(file)
    message = str(raised.value)
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize("value", ["null", '"32"', "[]", "{}", "true", "-1", "0", "1e400", "-1e400", "1" + "0" * 400])
@pytest.mark.parametrize("field", NUMBERS)
def test_what_is_no_number_in_range_is_refused_by_its_field(field: str, value: str, tmp_path: Path) -> None:
    content = json.dumps({key: each for key, each in CONTENT.items() if key != field})
    message = refusal(tmp_path / "config.json", f'{{"{field}": {value}, {content[1:]}')
    assert message.startswith(f"{field} is ")
    assert "take the model's own config.json" in message
    assert len(message) < 250


@pytest.mark.parametrize("field", SIZES.values())
def test_a_missing_size_is_named(field: str, tmp_path: Path) -> None:
    content = {key: value for key, value in CONTENT.items() if key != field}
    assert refusal(tmp_path / "config.json", json.dumps(content)).startswith(f"has no {field}: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 2.0}, "num_hidden_layers is 2.0: "),
        ({"vocab_size": 2**40}, f"vocab_size is {2**40}: "),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0: "),
        ({"num_key_value_heads": 3}, "num_key_value_heads is 3, which does not divide num_attention_heads, 4"),
        ({"head_dim": 7}, "head_dim is 7: "),
        ({"head_dim": "8"}, 'head_dim is "8": '),
        ({"tie_word_embeddings": "no"}, 'tie_word_embeddings is "no": '),
        ({"dtype": 16}, "dtype is 16: "),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5: "),
        ({"architectures": "LlamaForCausalLM"}, "architectures is LlamaForCausalLM"),
        ({"hidden_act": ["silu"]}, "hidden_act is ['silu']"),
        ({"rope_parameters": "llama3"}, 'rope_parameters is "llama3": input should be an object'),
        ({"rope_scaling": [1]}, "rope_scaling is [1]: input should be an object"),
        ({"rope_parameters": ROPE | {"rope_type": ["llama3"]}}, 'rope_parameters.rope_type is ["llama3"]: '),
        ({"rope_parameters": ROPE | {"rope_theta": None}}, "rope_parameters.rope_theta is null: "),
        ({"rope_parameters": ROPE | {"factor": "8"}}, 'rope_parameters.factor is "8": '),
        ({"rope_parameters": ROPE | {"factor": 0.5}}, "rope_parameters.factor is 0.5: "),
        ({"rope_parameters": ROPE | {"low_freq_factor": 9}}, "rope_parameters.high_freq_factor is 4.0, which is not above low_freq_factor"),
        ({"hidden_size": {"a": "x" * 500}}, "hidden_size is {"),
    ],
)
def test_an_odd_value_is_shown(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    refused_line = refusal(tmp_path / "config.json", json.dumps(CONTENT | change))
    assert refused_line.startswith(message)
    assert len(refused_line) < 250


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "is JSON, but not an object"),
        ("null", "is JSON, but not an object"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"rope_theta": NaN}', "NaN is not a number of JSON"),
        ('{"vocab_size": 64, "vocab_size": 128}', "vocab_size is given twice"),
        ('{"rope_scaling": {"factor": 8, "factor": 9}}', "factor is given twice"),
    ],
)
def test_what_is_no_object_with_each_field_once_is_refused(content: str, message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / "config.json", content).startswith(message)


def test_swish_is_another_name_of_silu(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONTENT | {"hidden_act": "swish"}))
    assert read_config(tmp_path / "config.json") == read_config(MODELS / "llama31" / "config.json")


def test_a_vision_embedding_of_no_use_is_named() -> None:
    with pytest.raises(ConversionError, match="a vision embedding of 3 rows"):
        read_config(MODELS / "llama31" / "config.json", 3)
