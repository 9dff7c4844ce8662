"""A tokenizer's own chat template, rendered to parts that know whether they count in the loss.

The template is Jinja, sandboxed, with the names and settings that Hugging Face's `apply_chat_template` gives it. The tag
`{% generation %}` has the meaning it has there: it encloses what the assistant says. Special tokens that the template itself writes, also
by concatenation as in `'<|' + message.role + '|>'`, become their ids; the same characters inside a message stay text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lwm_trainer.data.encoding.example import TextPart, token_part
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataError, DataMissingError
from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.storage.errors import FileMissingError
from lwm_trainer.storage.files import read_files

CONFIG = "tokenizer_config.json"

# Unicode noncharacters, reserved for a program's internal use: no text may hold them.
_OPEN, _CLOSE, _ESCAPE = "\ufdd0", "\ufdd1", "\ufdd2"


class _Generation(jinja2.ext.Extension):
    """The tag `{% generation %}…{% endgeneration %}`: encloses the rendered body in marks."""

    tags = {"generation"}  # noqa: RUF012  # the base class declares it as an instance attribute

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("mark"), [], [], body).set_lineno(line)

    def mark(self, caller: Any) -> str:
        return f"{_OPEN}{caller()}{_CLOSE}"


class ChatTemplate:
    """A chat template together with the special tokens of its tokenizer."""

    def __init__(self, source: str, tokenizer: Tokenizer, token_names: Mapping[str, str], uri: str) -> None:
        """Compile the template.

        Args:
            token_names: special tokens by the names that the template knows them by, such as bos_token.
            uri: the file that holds the template, for error messages.

        Raises DataError when the template does not compile or has no `{% generation %}`.
        """
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        try:
            parsed = environment.parse(source)
            has_marks = any(node.name == "mark" for node in parsed.find_all(jinja2.nodes.ExtensionAttribute))
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            line = f" in line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
            raise DataCorruptError(f"{uri}: chat_template is not a valid template: {error}{line}: correct it") from error
        if not has_marks:
            raise DataError(
                f"{uri}: chat_template does not mark what the assistant says, so nothing would count in the loss: put"
                " {% generation %} and {% endgeneration %} around it, or set chat.template: lwm"
            )
        self._token_names = dict(token_names)
        self._ids = tokenizer.special_ids
        self._special_tokens = sorted(self._ids, key=len, reverse=True)
        self._special_pattern = re.compile(f"({'|'.join(map(re.escape, self._special_tokens))})")

    @classmethod
    def load(cls, tokenizer: Tokenizer) -> "ChatTemplate":
        """Read `chat_template` from the `tokenizer_config.json` beside the tokenizer. Raises DataError and what `read_files` raises."""
        uri = config_uri(tokenizer)
        try:
            (file, *_) = read_files(uri, (CONFIG,))
        except FileMissingError as error:
            raise DataMissingError(f"{uri}: is not there: put the tokenizer's own there, or set chat.template: lwm") from error
        source, token_names = parse_tokenizer_config(file.content, uri)
        return cls(source, tokenizer, token_names, uri)

    def parts(self, messages: Sequence[Mapping[str, str]]) -> list[TextPart]:
        """Render a conversation to parts. Only the template decides where special tokens stand. Raises BadRecordError."""
        escaped = [{key: self._escape(text) for key, text in message.items()} for message in messages]
        try:
            rendered = self._template.render(messages=escaped, add_generation_prompt=False, tools=None, documents=None, **self._token_names)
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise BadRecordError(f"the chat template refuses it: {error}") from error
        parts: list[TextPart] = []
        in_loss = False
        for block in re.split(f"([{_OPEN}{_CLOSE}])", rendered):
            if block in (_OPEN, _CLOSE):
                in_loss = block == _OPEN
                continue
            for text in self._special_pattern.split(block):
                if text in self._ids:
                    parts.append(token_part(self._ids[text], in_loss=in_loss))
                elif text:
                    unescaped = re.sub(f"{_ESCAPE}(\\d+){_ESCAPE}", lambda match: self._special_tokens[int(match[1])], text)
                    parts.append(TextPart(unescaped, in_loss))
        if not any(part.in_loss for part in parts):
            raise BadRecordError("the chat template marks none of it as what the assistant says: correct either")
        return parts

    def _escape(self, text: str) -> str:
        """The text with each special token replaced by its index, so that a rendered special token is always the template's own."""
        if reserved := re.search(f"[{_OPEN}{_CLOSE}{_ESCAPE}]", text):
            raise BadRecordError(f"a message holds U+{ord(reserved[0]):04X}, which no text may hold: leave it out")
        return self._special_pattern.sub(lambda match: f"{_ESCAPE}{self._special_tokens.index(match[0])}{_ESCAPE}", text)


def config_uri(tokenizer: Tokenizer) -> str:
    """The address of a tokenizer's `tokenizer_config.json`: beside the tokenizer."""
    scheme, separator, path = tokenizer.uri.rpartition("://")
    return f"{scheme}{separator}{PurePosixPath(path).parent / CONFIG}"


def parse_tokenizer_config(content: bytes, uri: str) -> tuple[str, dict[str, str]]:
    """The chat template (`default` when there are several) and the named special tokens. Raises DataError."""
    try:
        config = json.loads(content)
        template = config.get("chat_template")
        if isinstance(template, list):
            template = {entry["name"]: entry["template"] for entry in template}.get("default")
        tokens = {name: value["content"] if isinstance(value, dict) else value for name, value in config.items() if name.endswith("_token")}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise DataCorruptError(f"{uri}: not a tokenizer_config.json: {error}") from error
    if not isinstance(template, str):
        raise DataError(f"{uri}: has no chat_template: add one, or set chat.template: lwm")
    return template, {name: token for name, token in tokens.items() if isinstance(token, str)}


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
