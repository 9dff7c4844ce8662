"""Conversations: what they become by either template, and what is said of one that makes no sense."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.record import BadRecordError, Record
from support.byte_tokenizer import byte_tokenizer, read


def conversation(*turns: str) -> list[dict[str, str]]:
    """User and assistant in turn; a first turn that begins with ! is the system's."""
    system = [{"role": "system", "content": turn[1:]} for turn in turns[:1] if turn.startswith("!")]
    rest = turns[len(system) :]
    return [*system, *({"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(rest))]


def encode(record: Mapping[str, Any], tokenizer: Tokenizer | None = None, **chat: str) -> Example | BadRecordError:
    dataset = Dataset.model_validate({"name": "a", "kind": "chat", "uri": "/data", "chat": chat})
    (result,) = encoder(dataset, tokenizer or byte_tokenizer(), None, 0)([Record("/data/a.jsonl", 1, 1, record)])
    return result


@pytest.mark.parametrize(
    ("turns", "example"),
    [
        (("hi", "yo"), "«s»you are a helpful assistant. user: hi assistant:YO«/S»"),
        (("a", "b", "c", "d"), "«s»you are a helpful assistant. user: a assistant:B«/S»user: c assistant:D«/S»"),
        (("!be brief.", "a", "b"), "«s»be brief. user: a assistant:B«/S»"),
        (("!", "a", "b"), "«s»user: a assistant:B«/S»"),
        (("</s>", "<s></s>"), "«s»you are a helpful assistant. user: </s> assistant:<S></S>«/S»"),
    ],
)
def test_lwm_s_template_counts_answers_and_their_ends_only(turns: tuple[str, ...], example: str) -> None:
    assert read(encode({"messages": conversation(*turns)})) == example
    assert read(encode({"talk": conversation(*turns)}, messages_field="talk")) == example


TURN = "it is the {}'s turn: write at most one system message, first, then user and assistant in turn"
LIST = "write a list of objects with role and content"


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ("hi", f"field 'messages' holds text, not messages: {LIST}"),
        ([], f"field 'messages' holds an empty list, not messages: {LIST}"),
        (None, f"field 'messages' holds null, not messages: {LIST}"),
        (["hi"], "messages[0] is text: write an object with role and content"),
        ([{"content": "hi"}], "messages[0].role is missing: write text"),
        ([{"role": "user"}], "messages[0].content is missing: write text"),
        ([{"role": "user", "content": None}], "messages[0].content is null: write text"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content is a list: write text"),
        ([*conversation("a", "b"), {"role": "tool", "content": "c"}], "messages[2].role is 'tool': write system, user or assistant"),
        ([{"role": "assistant", "content": "c"}], f"messages[0].role is 'assistant', but {TURN.format('user')}"),
        ([*conversation("a"), *conversation("b")], f"messages[1].role is 'user', but {TURN.format('assistant')}"),
        ([*conversation("a", "b"), *conversation("!c")], f"messages[2].role is 'system', but {TURN.format('user')}"),
        ([*conversation("!a"), *conversation("!b")], f"messages[1].role is 'system', but {TURN.format('user')}"),
        (conversation("!a"), "messages ends without an answer: end it with an assistant's message"),
        (conversation("a"), "messages ends without an answer: end it with an assistant's message"),
        (conversation("a", "b", "c"), "messages ends without an answer: end it with an assistant's message"),
        (conversation("a", ""), "messages[1].content is empty: leave the turn or the record out"),
        (conversation("a", " \n"), "messages[1].content is empty: leave the turn or the record out"),
        (conversation("", "b"), "messages[0].content is empty: leave the turn or the record out"),
    ],
)
def test_a_conversation_that_makes_no_sense_is_told_why(messages: Any, error: str) -> None:
    result = encode({"messages": messages})
    assert isinstance(result, BadRecordError)
    assert str(result) == error


def test_a_record_without_messages_is_told_what_it_has() -> None:
    result = encode({"text": "hi"})
    assert str(result) == "field 'messages' is missing (the record has 'text'): add it or correct the fields of the data set"


CHATML = """{{ bos_token }}{% for message in messages %}
{% if message.role == 'assistant' %}
{{ '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] | trim + '<|im_end|>' }}{% endgeneration %}{{ '\n' -}}
{% else %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}never{% endif %}
"""


@pytest.fixture
def with_template(tmp_path: Path) -> Any:
    def write_template(template: Any, **tokens: Any) -> Tokenizer:
        if template is not None:
            (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template, **tokens}))
        return byte_tokenizer("<|im_start|>", "<|im_end|>", "☃", uri=str(tmp_path / "tokenizer.json"))

    return write_template


TEMPLATE = {"template": "tokenizer"}
MARKED = "{% generation %}{{ messages[1].content }}{% endgeneration %}"


BOS = {"bos_token": "<s>"}


@pytest.mark.parametrize("write_template", [BOS, {"bos_token": {"content": "<s>", "special": True}}])
def test_the_tokenizer_s_template_says_what_counts(write_template: dict[str, Any], with_template: Any) -> None:
    tokenizer = with_template(CHATML, **write_template)
    result = encode({"messages": conversation("!be brief", "hi", " yo ", "a", "b")}, tokenizer, **TEMPLATE)
    assert read(result, tokenizer) == (
        "«s»«im_start»system\nbe brief«im_end»\n«im_start»user\nhi«im_end»\n«im_start»assistant\nYO«IM_END»\n"
        "«im_start»user\na«im_end»\n«im_start»assistant\nB«IM_END»\n"
    )


def test_special_tokens_typed_in_a_message_stay_text_in_a_template(with_template: Any) -> None:
    tokenizer = with_template(CHATML, **BOS)
    result = encode({"messages": conversation("<|im_end|>☃", "1</s><|im_end|> <s> ☃2")}, tokenizer, **TEMPLATE)
    assert read(result, tokenizer) == ("«s»«im_start»user\n<|im_end|>☃«im_end»\n«im_start»assistant\n1</S><|IM_END|> <S> ☃2«IM_END»\n")


def test_a_special_token_that_the_template_puts_together_is_one(with_template: Any) -> None:
    with_template("{{ '<|' + messages[0].role + '|>' + messages[0].content }}" + MARKED)
    tokenizer = byte_tokenizer("<|user|>", uri=with_template(None).uri)
    assert read(encode({"messages": conversation("<|user|>", "b")}, tokenizer, **TEMPLATE), tokenizer) == "«user»<|user|>B"


def test_of_several_templates_the_default_is_taken(with_template: Any) -> None:
    named = [
        {"name": "rag", "template": "x"},
        {"name": "default", "template": "{% generation %}{{ messages[1].content }}{% endgeneration %}☃"},
    ]
    tokenizer = with_template(named)
    assert read(encode({"messages": conversation("a", "b")}, tokenizer, **TEMPLATE), tokenizer) == "B«☃»"


@pytest.mark.parametrize(
    ("template", "error"),
    [
        (None, r"tokenizer_config\.json: is not there: put the tokenizer's own there, or set chat\.template: lwm$"),
        (3, r"tokenizer_config\.json: has no chat_template: add one, or set chat\.template: lwm$"),
        ([{"name": "rag", "template": "x"}], r"tokenizer_config\.json: has no chat_template: add one"),
        ([3], r"tokenizer_config\.json: not a tokenizer_config\.json"),
        (
            "{{ messages[0].content }} generation",
            r"does not mark what the assistant says, so nothing would count in the loss: put \{% generation %\} and"
            r" \{% endgeneration %\} around it, or set chat\.template: lwm$",
        ),
        ("a\n{% for %}", r"chat_template is not a valid template: .* in line 2: correct it$"),
        ("{% generation %}", r"chat_template is not a valid template: .*endgeneration.* in line 1: correct it$"),
    ],
)
def test_a_template_that_can_make_no_example_is_refused(with_template: Any, template: Any, error: str) -> None:
    with pytest.raises(DataError, match=error):
        encode({"messages": conversation("a", "b")}, with_template(template), **TEMPLATE)


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ raise_exception('no system') }}" + MARKED, "the chat template refuses it: no system"),
        ("{{ messages[0].name + 'x' }}" + MARKED, "the chat template refuses it: 'dict object' has no attribute 'name'"),
        ("{{ messages.append(1) }}" + MARKED, "the chat template refuses it: access to attribute 'append' of 'list' object is unsafe."),
        ("{% if false %}" + MARKED + "{% endif %}x", "the chat template marks none of it as what the assistant says: correct either"),
    ],
)
def test_a_conversation_that_the_template_refuses_is_a_bad_record(with_template: Any, template: str, error: str) -> None:
    result = encode({"messages": conversation("a", "b")}, with_template(template), **TEMPLATE)
    assert isinstance(result, BadRecordError)
    assert str(result) == error


def test_a_message_with_the_marks_of_the_renderer_is_a_bad_record(with_template: Any) -> None:
    result = encode({"messages": conversation("a\ufdd0", "b")}, with_template(MARKED), **TEMPLATE)
    assert str(result) == "a message holds U+FDD0, which no text may hold: leave it out"
