"""Conversations by the tokenizer's own template: the tokens of transformers, what counts in the loss, and what is said of a bad one."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example, explicit_loss_mask
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.data.records.record import BadRecordError, Record
from support.byte_tokenizer import byte_tokenizer, read

REFERENCE = Path(__file__).parents[4] / "chat_templates"
TOKENIZERS = ("byte_level", "prefix_space", "metaspace_first", "metaspace_always", "prepended")
TEMPLATES = ("chatml", "llama2", "llama3", "mistral", "qwen")
EXPECTED = json.loads((REFERENCE / "expected.json").read_text())
CONVERSATIONS = json.loads((REFERENCE / "conversations.json").read_text())


def encode(record: Mapping[str, Any], tokenizer: Tokenizer, **chat: str) -> Example | BadRecordError:
    dataset = Dataset.model_validate({"name": "a", "kind": "chat", "uri": "/data", "chat": {"template": "tokenizer"} | chat})
    (result,) = encoder(dataset, tokenizer, None, 0)([Record("/data/a.jsonl", 1, 1, record)])
    return result[0] if isinstance(result, list) else result


def reference_tokenizer(folder: Path, name: str, template: str) -> Tokenizer:
    (folder / "tokenizer.json").write_bytes((REFERENCE / f"{name}.json").read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    (folder / "chat_template.jinja").write_text(template)
    return Tokenizer.load(str(folder / "tokenizer.json"), 1000)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokens_and_mask_are_those_of_transformers(name: str, template: str, tmp_path: Path) -> None:
    tokenizer = reference_tokenizer(tmp_path, name, (REFERENCE / f"{template}.jinja").read_text())
    for title, conversation in CONVERSATIONS.items():
        result, expected = encode(conversation, tokenizer), EXPECTED[name][template][title]
        if expected is None:
            assert isinstance(result, BadRecordError), title
        else:
            assert isinstance(result, Example), title
            assert result.tokens.tolist() == expected["ids"], title
            assert explicit_loss_mask(result)[1:].tolist() == [mask == 1 for mask in expected["mask"][1:]], title


@pytest.mark.parametrize("template", ["chatml", "llama2", "llama3", "qwen"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_template_without_generation_counts_the_same(name: str, template: str, tmp_path: Path) -> None:
    marked = (REFERENCE / f"{template}.jinja").read_text()
    unmarked = re.sub(r"(\{%-? ?)generation\b", r"\1if true", marked).replace("endgeneration", "endif")
    tokenizer = reference_tokenizer(tmp_path, name, unmarked)
    for title, conversation in CONVERSATIONS.items():
        result, expected = encode(conversation, tokenizer), EXPECTED[name][template][title]
        if expected is not None:
            assert isinstance(result, Example), title
            assert result.tokens.tolist() == expected["ids"], title
            assert explicit_loss_mask(result)[1:].tolist() == [mask == 1 for mask in expected["mask"][1:]], title


def conversation(*turns: str) -> list[dict[str, str]]:
    """User and assistant in turn."""
    return [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]


CHATML = """{{ bos_token }}{% for message in messages %}
{% if message.role == 'assistant' %}
{{ '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] | trim + '<|im_end|>' }}{% endgeneration %}{{ '\n' -}}
{% else %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}never{% endif %}
"""
UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
ANSWER = "{% generation %}{{ messages[1].content }}</s>{% endgeneration %}"
MakeTokenizer = Callable[..., Tokenizer]


@pytest.fixture
def with_template(tmp_path: Path) -> MakeTokenizer:
    def make(template: Any, *specials: str, files: Mapping[str, str] | None = None) -> Tokenizer:
        config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": template}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        for name, content in (files or {}).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        return byte_tokenizer(*(specials or ("<|im_start|>", "<|im_end|>", "☃")), uri=str(tmp_path / "tokenizer.json"))

    return make


@pytest.mark.parametrize("template", [CHATML, UNMARKED])
def test_special_tokens_typed_in_a_message_stay_text(template: str, with_template: MakeTokenizer) -> None:
    tokenizer = with_template(template)
    result = encode({"messages": conversation("<|im_end|>☃", "1</s><|im_end|> <s> ☃2")}, tokenizer)
    assert read(result, tokenizer) == "«s»«im_start»user\n<|im_end|>☃«im_end»\n«im_start»assistant\n1</S><|IM_END|> <S> ☃2«IM_END»\n"


def test_a_special_token_that_the_template_puts_together_is_one(with_template: MakeTokenizer) -> None:
    tokenizer = with_template("{{ '<|' + messages[0].role + '|>' + messages[0].content }}" + ANSWER, "<|user|>")
    assert read(encode({"messages": conversation("<|user|>", "b")}, tokenizer), tokenizer) == "«user»<|user|>B«/S»"


def test_a_template_that_acts_on_a_typed_special_token_is_told_so(with_template: MakeTokenizer) -> None:
    tokenizer = with_template("{{ messages[0].content.split('☃')[0] }}" + ANSWER)
    result = encode({"messages": conversation("a☃b", "c")}, tokenizer)
    assert str(result).startswith("the chat template acts on '☃', which is typed in a message: ")
    assert read(encode({"messages": conversation("ab", "c")}, tokenizer), tokenizer) == "abC«/S»"


def test_every_key_of_a_message_and_the_record_s_tools_and_documents_reach_the_template(with_template: MakeTokenizer) -> None:
    tokenizer = with_template("{{ tools[0].name }}{{ documents[0].x.y }}{{ messages[0].name }}{{ messages[0].role is defined }}" + ANSWER)
    messages = [{"role": "user", "content": "a", "name": "ann"}, {"role": "assistant", "content": "b"}]
    record = {"messages": messages, "tools": [{"name": "t"}], "documents": [{"x": {"y": "d"}}]}
    assert read(encode(record, tokenizer), tokenizer) == "tdanntrueB«/S»"


@pytest.mark.parametrize(
    ("template", "files", "text"),
    [
        ([{"name": "rag", "template": "x"}, {"name": "default", "template": "1" + ANSWER}], {}, "1"),
        ([{"name": "tool_use", "template": "2" + ANSWER}, {"name": "default", "template": "1" + ANSWER}], {}, "2"),
        ("1" + ANSWER, {"chat_template.jinja": "3" + ANSWER}, "3"),
        (None, {"chat_template.jinja": "3" + ANSWER, "additional_chat_templates/tool_use.jinja": "4" + ANSWER}, "4"),
    ],
)
def test_the_template_is_the_one_that_transformers_takes(
    template: Any, files: Mapping[str, str], text: str, with_template: MakeTokenizer
) -> None:
    tokenizer = with_template(template, files=files)
    record = {"messages": conversation("a", "b"), "tools": [{"name": "t"}]}
    assert read(encode(record, tokenizer), tokenizer) == f"{text}B«/S»"


def test_the_date_is_that_of_the_spec(with_template: MakeTokenizer) -> None:
    tokenizer = with_template("{{ strftime_now('%d %b %Y') }} " + ANSWER)
    assert read(encode({"messages": conversation("a", "b")}, tokenizer), tokenizer) == "01 jan 2026 B«/S»"
    assert read(encode({"messages": conversation("a", "b")}, tokenizer, date="2024-07-26"), tokenizer) == "26 jul 2024 B«/S»"


def test_an_answer_whose_end_does_not_count_is_warned_of_once(with_template: MakeTokenizer, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = with_template("{% generation %}{{ messages[1].content }}{% endgeneration %}☃")
    assert read(encode({"messages": conversation("a", "b")}, tokenizer), tokenizer) == "B«☃»"
    warning = capsys.readouterr().err
    assert "tokenizer_config.json: the end of an answer does not count in the loss, so the model never learns to stop" in warning
    assert "put {% endgeneration %} after ☃" in warning
    encode({"messages": conversation("a", "b")}, with_template(ANSWER))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("template", "error"),
    [
        (
            3,
            r"tokenizer_config\.json: has no chat_template, and no chat_template\.jinja is beside it: add one, or set chat\.template: lwm$",
        ),
        ([{"name": "rag", "template": "x"}], r"has no chat_template named default \(there is rag\)"),
        ("a\n{% for %}", r"tokenizer_config\.json: chat_template, line 2: not a valid template: "),
        ("{% generation %}", r"chat_template, line 1: not a valid template: .*endgeneration"),
        ("\n{{ 'x' | shout }}", r"chat_template, line 2: not a valid template: No filter named 'shout'"),
    ],
)
def test_a_template_that_can_make_no_example_is_refused(with_template: MakeTokenizer, template: Any, error: str) -> None:
    with pytest.raises(DataError, match=error):
        encode({"messages": conversation("a", "b")}, with_template(template))


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("\n{{ today() }}", r"tokenizer_config\.json: chat_template, line 2: 'today' is undefined: correct the template$"),
        ("\n\n{{ messages.append(1) }}", r"chat_template, line 3: access to attribute 'append' of 'list' object is unsafe"),
        ("{{ 'a' + 1 }}", r"chat_template, line 1: can only concatenate str"),
        ("{% macro f() %}\n{{ f() }}{% endmacro %}{{ f() }}", r"chat_template, line 2: maximum recursion depth"),
    ],
)
def test_a_template_s_own_fault_is_not_the_record_s(with_template: MakeTokenizer, template: str, error: str) -> None:
    with pytest.raises(DataCorruptError, match=error):
        encode({"messages": conversation("a", "b")}, with_template(template + ANSWER))


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ raise_exception('no system') }}" + ANSWER, "the chat template refuses it: no system"),
        ("{{ messages[0].name + 'x' }}" + ANSWER, "the chat template refuses it: 'dict object' has no attribute 'name'"),
        ("{{ messages[0].content + messages[0].age }}" + ANSWER, "the chat template refuses it: 'dict object' has no attribute 'age'"),
        ("{% if false %}" + ANSWER + "{% endif %}x", "the chat template marks none of it as what the assistant says: correct either"),
        ("{{ messages[1].content | length }}", "messages[1]: the chat template changes what the assistant says or what stands around it"),
    ],
)
def test_a_conversation_that_the_template_refuses_is_a_bad_record(with_template: MakeTokenizer, template: str, error: str) -> None:
    result = encode({"messages": conversation("a", "b")}, with_template(template))
    assert isinstance(result, BadRecordError)
    assert str(result).startswith(error)


LIST = "holds {}, not a list of objects: write one"


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"messages": "hi"}, f"field 'messages' {LIST.format('text')}"),
        ({"messages": []}, "field 'messages' holds an empty list, not messages: write a list of objects with role and content"),
        ({"messages": ["hi"]}, "messages[0] is text: write an object"),
        ({"messages": conversation("a", "b"), "tools": "t"}, f"field 'tools' {LIST.format('text')}"),
        ({"messages": conversation("a\ufdd0", "b")}, "a message holds U+FDD0, which no text may hold: leave it out"),
        ({"messages": [{"role": "user", "content": "a", "more": [{"x": "\ufdd4"}]}]}, "a message holds U+FDD4, which no text may hold"),
    ],
)
def test_a_record_that_is_no_conversation_is_told_why(with_template: MakeTokenizer, record: Mapping[str, Any], error: str) -> None:
    result = encode(record, with_template(CHATML))
    assert isinstance(result, BadRecordError)
    assert str(result).startswith(error)
