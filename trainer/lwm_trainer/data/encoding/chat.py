"""Conversations in LWM's format, as parts of an example; only what the assistant says counts in the loss.

That is one sentence or the conversation's own system message, then `USER:` and `ASSISTANT:` in turn, each answer ended by `</s>`. Prompt
and answer are tokenized apart, as in LWM's code and where a model continues a prompt. The tokenizer's own template is in `rendered_chat`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.example import TextPart, token_part
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError, Record

SYSTEM = "You are a helpful assistant."


class Message(NamedTuple):
    """One message of a conversation."""

    role: str
    content: str


def chat_parts(messages_field: str, tokenizer: Tokenizer) -> Callable[[Record], list[TextPart]]:
    """A function from a record to the parts of its example; it raises BadRecordError."""
    return lambda record: lwm_parts(parse_messages(field_language.field_value(messages_field, record.fields), messages_field), tokenizer)


def lwm_parts(messages: list[Message], tokenizer: Tokenizer) -> list[TextPart]:
    """`<s>You are a helpful assistant. USER: … ASSISTANT:`, the answer, `</s>`; then `USER: … ASSISTANT:` and so on."""
    system, turns = (messages[0].content, messages[1:]) if messages[0].role == "system" else (SYSTEM, messages)
    parts = [token_part(tokenizer.begin_id, in_loss=False)]
    prefix = f"{system} " if system else ""
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        parts.append(TextPart(f"{prefix}USER: {question.content} ASSISTANT:", in_loss=False))
        parts.append(TextPart(answer.content, in_loss=True))
        parts.append(token_part(tokenizer.end_id, in_loss=True))
        prefix = ""
    return parts


def parse_messages(value: Any, name: str) -> list[Message]:
    """The messages in field `name`: at most one system message, then user and assistant in turn. Raises BadRecordError."""
    if not isinstance(value, list) or not value:
        raise BadRecordError(
            f"field {name!r} holds {field_language.json_type(value)}, not messages: write a list of objects with role and content"
        )
    messages = [_parse_message(message, f"{name}[{index}]") for index, message in enumerate(value)]
    turns = messages[1:] if messages[0].role == "system" else messages
    first = len(messages) - len(turns)
    for index, message in enumerate(turns):
        expected = ("user", "assistant")[index % 2]
        if message.role != expected:
            raise BadRecordError(
                f"{name}[{first + index}].role is {message.role!r}, but it is the {expected}'s turn: write at most one system message,"
                " first, then user and assistant in turn"
            )
    if len(turns) % 2 or not turns:
        raise BadRecordError(f"{name} ends without an answer: end it with an assistant's message")
    return messages


def _parse_message(value: Any, location: str) -> Message:
    if not isinstance(value, Mapping):
        raise BadRecordError(f"{location} is {field_language.json_type(value)}: write an object with role and content")
    for key in Message._fields:
        if not isinstance(value.get(key), str):
            kind = field_language.json_type(value.get(key)) if key in value else "missing"
            raise BadRecordError(f"{location}.{key} is {kind}: write text")
    message = Message(value["role"], value["content"])
    if message.role not in ("system", "user", "assistant"):
        raise BadRecordError(f"{location}.role is {message.role!r}: write system, user or assistant")
    if message.role != "system" and not message.content.strip():
        raise BadRecordError(f"{location}.content is empty: leave the turn or the record out")
    return message
