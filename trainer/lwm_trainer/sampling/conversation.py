"""Conversations as prompts: in LWM's format, or by the tokenizer's own template."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from lwm_trainer.config import Chat
from lwm_trainer.data.encoding.chat import SYSTEM
from lwm_trainer.data.encoding.rendered_chat import ChatRenderer
from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.sampling.prompt import TokenRow, join, text_row
from lwm_trainer.sampling.settings import SettingsError
from lwm_trainer.sampling.vocabulary import Vocabulary

Template = Literal["lwm", "tokenizer"]
Frames = Sequence[Sequence[int]]
"""The codes of each frame of a picture or a clip."""
LWM_STOP = ("USER:",)
"""Ends an answer in LWM's format, whose models may go on with the user's turn."""


class Conversations(NamedTuple):
    """How a model reads conversations."""

    prompt: Callable[[Sequence[Mapping[str, Any]]], TokenRow]
    """The tokens of messages, up to where the assistant's next answer begins. Raises SettingsError, which names the message."""
    stop: tuple[str, ...]
    """Texts that end an answer beside the end token."""


def make_conversations(vocabulary: Vocabulary, template: Template) -> Conversations:
    """Raises DataError where the tokenizer has no template and it is asked for."""
    if template == "lwm":
        return Conversations(lambda messages: lwm_prompt(vocabulary, messages), LWM_STOP)
    renderer = ChatRenderer(vocabulary.tokenizer, Chat(template="tokenizer"))

    def rendered(messages: Sequence[Mapping[str, Any]]) -> TokenRow:
        _check(messages, spans=False)
        try:
            text = renderer.render_prompt({"messages": [dict(message) for message in messages]})
        except BadRecordError as error:
            raise SettingsError(f"messages: {error}") from error
        return text_row(vocabulary.tokenizer.tokenize_with_offsets([text])[0].ids)

    return Conversations(rendered, ())


def lwm_prompt(vocabulary: Vocabulary, messages: Sequence[Mapping[str, Any]]) -> TokenRow:
    """`<s>You are a helpful assistant. USER: … ASSISTANT:`, then each answer with `</s>`, and the next turn; tokenized as in training.

    An answer that the model wrote itself may come with its `tokens`, which are taken as they are. The content of a user's message may be
    a list of texts and of vision spans, each the codes of its frames; a text before a span ends with a line break, as in LWM's chat.
    Raises SettingsError, which names the message.
    """
    _check(messages, spans=bool(vocabulary.grammar.opening))
    first = messages[0]["role"] == "system"
    system, turns = (messages[0]["content"], messages[1:]) if first else (SYSTEM, messages)
    prefix, parts = f"{system} " if system else "", [vocabulary.begin()]
    for number, message in enumerate(turns, int(first)):
        expected = ("user", "assistant")[(number - first) % 2]
        if message["role"] != expected:
            raise SettingsError(f"messages[{number}].role is {message['role']!r}, but it is the {expected}'s turn: give them in turn")
        if expected == "user":
            parts += _user_turn(vocabulary, prefix, message["content"])
        else:
            written = text_row(message["tokens"]) if "tokens" in message else vocabulary.encode(message["content"])
            parts += [written, text_row([vocabulary.end_id])]
        prefix = ""
    if not turns or turns[-1]["role"] != "user":
        raise SettingsError("messages: the last one is not the user's: end with what the model is to answer")
    return join(*parts)


def user_content(text: str, shown: Sequence[Frames], *, question_last: bool = False) -> str | list[str | Frames]:
    """A user's message about pictures and clips. LWM's models were trained with the text before them.

    `question_last`: the text comes after them, so that questions about the same clip share what it took to read it.
    """
    if not shown:
        return text
    return [*shown, text] if question_last else [text, *shown]


def _user_turn(vocabulary: Vocabulary, prefix: str, content: str | Sequence[str | Frames]) -> list[TokenRow]:
    """The tokens of a message, from `USER:` to `ASSISTANT:`; texts are encoded up to the next span."""
    row, text = [], f"{prefix}USER:"
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, str):
            text += f" {part}"
        else:
            row += [vocabulary.encode(text if text.endswith("USER:") or not text else f"{text}\n"), vocabulary.span(part)]
            text = ""
    return [*row, vocabulary.encode(f"{text} ASSISTANT:")]


def _check(messages: Sequence[Mapping[str, Any]], *, spans: bool) -> None:
    """Raises SettingsError. `spans`: whether a user's message may have vision spans."""
    if not messages:
        raise SettingsError("messages is empty: give at least the user's message")
    for number, message in enumerate(messages):
        for key in ("role", "content"):
            parts = key == "content" and isinstance(message.get(key), list) and message.get("role") == "user"
            if parts and not spans:
                raise SettingsError(f"messages[{number}].content has pictures, which the template or the model has no place for: send text")
            if not parts and not isinstance(message.get(key), str):
                raise SettingsError(f"messages[{number}].{key} is not text: give a string")
        if message["role"] not in ("system", "user", "assistant"):
            raise SettingsError(f"messages[{number}].role is {message['role']!r}: give system, user or assistant")
        if message["role"] == "system" and number:
            raise SettingsError(f"messages[{number}].role is system: only the first message may be")
