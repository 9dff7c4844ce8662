"""Conversations in LWM's format: what they become, and what is said of one that makes no sense."""

from collections.abc import Mapping
from typing import Any

import pytest

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.records.record import BadRecordError, Record
from support.byte_tokenizer import byte_tokenizer, read


def conversation(*turns: str) -> list[dict[str, str]]:
    """User and assistant in turn; a first turn that begins with ! is the system's."""
    system = [{"role": "system", "content": turn[1:]} for turn in turns[:1] if turn.startswith("!")]
    rest = turns[len(system) :]
    return [*system, *({"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(rest))]


def encode(record: Mapping[str, Any], **chat: str) -> Example | BadRecordError:
    dataset = Dataset.model_validate({"name": "a", "kind": "chat", "uri": "/data", "chat": chat})
    (result,) = encoder(dataset, byte_tokenizer(), None, 0)([Record("/data/a.jsonl", 1, 1, record)])
    return result[0] if isinstance(result, list) else result


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
