"""Conversations as pieces of text; only what the assistant says counts in the loss.

Two templates. LWM's: one sentence or the conversation's own system message, then `USER:` and `ASSISTANT:` in turn, each answer ended by
`</s>`. The tokenizer's own: a Jinja template, as Hugging Face's `apply_chat_template` renders it, in which `{% generation %}` stands
around what the assistant says; see `lwm_trainer.data.encoding.chat_template`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.chat_template import Template
from lwm_trainer.data.encoding.text_parts import TextPart, token
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError, Record

SYSTEM = "You are a helpful assistant."


class Message(NamedTuple):
    """What one side says."""

    role: str
    content: str


def conversation(dataset: Dataset, tokenizer: Tokenizer) -> Callable[[Record], list[TextPart]]:
    """Makes the pieces of a record, or raises BadRecordError. Raises DataError where the tokenizer has no template that can be used."""
    name = dataset.chat.messages_field
    template = Template.load(tokenizer) if dataset.chat.template == "tokenizer" else None

    def pieces(record: Record) -> list[TextPart]:
        said = messages(field_language.value(name, record.fields), name)
        if template is None:
            return lwm(said, tokenizer)
        return template.pieces([message._asdict() for message in said])

    return pieces


def lwm(said: list[Message], tokenizer: Tokenizer) -> list[TextPart]:
    """`<s>You are a helpful assistant. USER: … ASSISTANT:`, the answer, `</s>`; then `USER: … ASSISTANT:` and so on."""
    system, turns = (said[0].content, said[1:]) if said[0].role == "system" else (SYSTEM, said)
    found = [token(tokenizer.begin, loss=False)]
    before = f"{system} " if system else ""
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        found += [TextPart(f"{before}USER: {question.content} ASSISTANT:", loss=False), TextPart(answer.content, loss=True)]
        found.append(token(tokenizer.end, loss=True))
        before = ""
    return found


def messages(found: Any, name: str) -> list[Message]:
    """The messages of a record: perhaps a system's, then a user's and an assistant's in turn. Raises BadRecordError."""
    if not isinstance(found, list) or not found:
        raise BadRecordError(
            f"field {name!r} holds {field_language.kind_of(found)}, not messages: write a list of objects with role and content"
        )
    said = [_message(message, f"{name}[{place}]") for place, message in enumerate(found)]
    turns = said[1:] if said[0].role == "system" else said
    first = len(said) - len(turns)
    for place, message in enumerate(turns):
        expected = ("user", "assistant")[place % 2]
        if message.role != expected:
            raise BadRecordError(
                f"{name}[{first + place}].role is {message.role!r}, but it is the {expected}'s turn: write at most one system message,"
                " first, then user and assistant in turn"
            )
    if len(turns) % 2 or not turns:
        raise BadRecordError(f"{name} ends without an answer: end it with an assistant's message")
    return said


def _message(found: Any, place: str) -> Message:
    if not isinstance(found, Mapping):
        raise BadRecordError(f"{place} is {field_language.kind_of(found)}: write an object with role and content")
    for key in Message._fields:
        if not isinstance(found.get(key), str):
            raise BadRecordError(f"{place}.{key} is {field_language.kind_of(found.get(key)) if key in found else 'missing'}: write text")
    message = Message(found["role"], found["content"])
    if message.role not in ("system", "user", "assistant"):
        raise BadRecordError(f"{place}.role is {message.role!r}: write system, user or assistant")
    if message.role != "system" and not message.content.strip():
        raise BadRecordError(f"{place}.content is empty: leave the turn or the record out")
    return message
