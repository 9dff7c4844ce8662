"""Conversations rendered by the tokenizer's own chat template, as one text with the spans that count in the loss.

A special token that the template writes, also by concatenation as in `'<|' + message.role + '|>'`, becomes that token; the same characters
inside a message stay text. The text is tokenized as a whole, as `apply_chat_template` does it.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lwm_trainer.config import Chat
from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.answer_spans import OTHER_CONTENT, mark_answers
from lwm_trainer.data.encoding.chat_template import ANSWER_BEGIN, ANSWER_END, ChatTemplate, Conversation
from lwm_trainer.data.encoding.example import RenderedText
from lwm_trainer.data.encoding.special_tokens import CLOSING, OPENING, internal_name
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.tokenizer_config import read_templates
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.record import BadRecordError

_TYPED = "\ufdd4"
"""Encloses the number of a special token that is typed in a message."""
_RESERVED = re.compile(f"[{OPENING}{CLOSING}{ANSWER_BEGIN}{ANSWER_END}{_TYPED}{OTHER_CONTENT}]")
_REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names under which data sets have an assistant's reasoning; transformers gives it to templates under the first two."""


class ChatRenderer:
    """The chat templates of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, chat: Chat) -> None:
        """Read and compile the templates. Raises DataError when there is none, and what `read_templates` raises."""
        sources = read_templates(tokenizer.uri, tokenizer.config)
        if "default" not in sources:
            named = f" named default (there is {', '.join(sorted(sources))})" if sources else ""
            raise DataError(
                f"{tokenizer.config.uri}: has no chat_template{named}, and no chat_template.jinja is beside it: add one, or set"
                " chat.template: lwm"
            )
        self._templates = {name: ChatTemplate(source, tokenizer.config.token_names, chat.date) for name, source in sources.items()}
        self._messages_field = chat.messages_field
        self._special_ids = tokenizer.special_ids
        self._special_tokens = sorted(self._special_ids, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, self._special_tokens)))
        self._marks = re.compile(f"[{ANSWER_BEGIN}{ANSWER_END}]|{_TYPED}(?P<typed>\\d+){_TYPED}|(?P<special>{self._special.pattern})")
        self._ends_with_special = re.compile(rf"(?:{self._special.pattern})\s*\Z")
        self._warned = False

    def render(self, fields: Mapping[str, Any]) -> RenderedText:
        """Render the conversation of a record, with its `tools` and `documents`. Raises BadRecordError and DataCorruptError."""
        conversation, template, rendered = self._rendered(fields, add_generation_prompt=False)
        if not template.marks_answers:

            def render(messages: Any, add_generation_prompt: bool) -> str:
                return template.render(conversation._replace(messages=messages), add_generation_prompt=add_generation_prompt)

            rendered = mark_answers(render, conversation.messages, rendered, self._special)
        return self._finish(rendered, template)

    def render_prompt(self, fields: Mapping[str, Any]) -> str:
        """Render a conversation up to where the assistant's next message begins, with special tokens by their internal names.

        Raises BadRecordError and DataCorruptError.
        """
        _, _, rendered = self._rendered(fields, add_generation_prompt=True)
        return self._marks.sub(self._replacement, rendered)

    def _rendered(self, fields: Mapping[str, Any], *, add_generation_prompt: bool) -> tuple[Conversation, ChatTemplate, str]:
        """The conversation, its template and the text, in which special tokens that are typed in messages are escaped."""
        conversation = _conversation(fields, self._messages_field)
        template = self._templates.get("tool_use") if conversation.tools is not None else None
        template = template or self._templates["default"]
        texts = list(_strings(conversation))
        if reserved := next(filter(None, map(_RESERVED.search, texts)), None):
            raise BadRecordError(f"a message holds U+{ord(reserved[0]):04X}, which no text may hold: leave it out")
        rendered = template.render(conversation, add_generation_prompt=add_generation_prompt)
        if typed := next(filter(None, map(self._special.search, texts)), None):
            conversation = _map_strings(conversation, self._escape)
            escaped = template.render(conversation, add_generation_prompt=add_generation_prompt)
            if self._unescape(escaped) != rendered:
                raise BadRecordError(
                    f"the chat template acts on {typed[0]!r}, which is typed in a message: take it out of the message, or correct the"
                    " template"
                )
            rendered = escaped
        return conversation, template, rendered

    def _finish(self, rendered: str, template: ChatTemplate) -> RenderedText:
        """Take the marks out, write special tokens by their internal names, and typed ones as text."""
        parts: list[str] = []
        begins: list[int] = []
        answers: list[tuple[int, int]] = []
        length = source = 0
        for match in self._marks.finditer(rendered):
            for text in (rendered[source : match.start()], self._replacement(match)):
                parts.append(text)
                length += len(text)
            source = match.end()
            if match[0] == ANSWER_BEGIN:
                begins.append(length)
            elif match[0] == ANSWER_END:
                answers.append((begins.pop(), length))
        text = "".join([*parts, rendered[source:]])
        answers = [(begin, end) for begin, end in answers if begin < end]
        if not answers:
            raise BadRecordError("the chat template marks none of it as what the assistant says: correct either")
        self._warn_of_open_end(rendered, template)
        return RenderedText(text, tuple(answers))

    def _replacement(self, match: re.Match[str]) -> str:
        if match["typed"] is not None:
            return self._special_tokens[int(match["typed"])]
        return internal_name(self._special_ids[match["special"]]) if match["special"] is not None else ""

    def _warn_of_open_end(self, rendered: str, template: ChatTemplate) -> None:
        """Say once that an answer ends without a special token: the model would learn to speak and not to stop."""
        answer, _, rest = rendered.rpartition(ANSWER_END)
        if self._warned or self._ends_with_special.search(answer):
            return
        self._warned = True
        following = re.match(rf"\s*({self._special.pattern})", rest)
        if following and template.marks_answers:
            fix = f"put {{% endgeneration %}} after {following[1]}"
        else:
            fix = "let the template end each answer with a special token, such as eos_token"
        print(
            f"warning: {template.uri}: the end of an answer does not count in the loss, so the model never learns to stop: {fix}",
            file=sys.stderr,
        )

    def _escape(self, text: str) -> str:
        """The text with each special token replaced by its number, so that a rendered special token is always the template's own."""
        return self._special.sub(lambda match: f"{_TYPED}{self._special_tokens.index(match[0])}{_TYPED}", text)

    def _unescape(self, text: str) -> str:
        return re.sub(f"{_TYPED}(\\d+){_TYPED}", lambda match: self._special_tokens[int(match[1])], text)


def _conversation(fields: Mapping[str, Any], messages_field: str) -> Conversation:
    """Raises BadRecordError. Like transformers, leaves out a message's keys without a value, as tables have them."""
    messages = _objects(field_language.field_value(messages_field, fields), messages_field)
    if not messages:
        raise BadRecordError(f"field {messages_field!r} holds an empty list, not messages: write a list of objects with role and content")
    lists = [None if fields.get(name) is None else _objects(fields[name], name) for name in ("tools", "documents")]
    return Conversation([_aliased({key: value for key, value in each.items() if value is not None}) for each in messages], *lists)


def _objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise BadRecordError(f"field {name!r} holds {field_language.json_type(value)}, not a list of objects: write one")
    for index, each in enumerate(value):
        if not isinstance(each, Mapping):
            raise BadRecordError(f"{name}[{index}] is {field_language.json_type(each)}: write an object")
    return value


def _aliased(message: dict[str, Any]) -> dict[str, Any]:
    reasoning = next((message[name] for name in _REASONING if name in message), None)
    return message if reasoning is None else {"thinking": reasoning, **message, "reasoning_content": reasoning}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _map_strings(value: Any, change: Any) -> Any:
    """The same value with each of its texts changed; the keys of objects stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _map_strings(each, change) for key, each in value.items()}
    if isinstance(value, Conversation):
        return Conversation(*(_map_strings(each, change) for each in value))
    if isinstance(value, list | tuple):
        return [_map_strings(each, change) for each in value]
    return value
