"""A tokenizer's own chat template, rendered to pieces that know whether they count in the loss.

The template is Jinja, sandboxed, with the names and settings that Hugging Face's `apply_chat_template` gives it. `{% generation %}` is a
tag of ours with its meaning there: it stands around what the assistant says. Special tokens that the template writes become their ids;
the same letters in a message stay text. What a template puts together, as `'<|' + message.role + '|>'`, it writes.
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

from lwm_trainer.data.encoding.text_parts import TextPart, token
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.storage.errors import DataCorruptError, DataError, DataMissingError
from lwm_trainer.storage.files import read_files

CONFIG = "tokenizer_config.json"

# Characters that Unicode keeps for a program's own use: no text may hold them.
_OPEN, _CLOSE, _TYPED = "\ufdd0", "\ufdd1", "\ufdd2"


class _Generation(jinja2.ext.Extension):
    """`{% generation %}…{% endgeneration %}`: marks what is rendered between."""

    tags = {"generation"}  # noqa: RUF012  # the base class declares it of the instance

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("mark"), [], [], body).set_lineno(line)

    def mark(self, caller: Any) -> str:
        return f"{_OPEN}{caller()}{_CLOSE}"


class Template:
    """A chat template with the tokens of its tokenizer."""

    def __init__(self, source: str, tokenizer: Tokenizer, named: Mapping[str, str], place: str) -> None:
        """`named`: special tokens by the names the template knows them by, such as bos_token. Raises DataError, which names `place`."""
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        try:
            parsed = environment.parse(source)
            marks = any(node.name == "mark" for node in parsed.find_all(jinja2.nodes.ExtensionAttribute))
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            line = f" in line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
            raise DataCorruptError(f"{place}: chat_template is no template: {error}{line}: correct it") from error
        if not marks:
            raise DataError(
                f"{place}: chat_template does not mark what the assistant says, so nothing would count in the loss: put"
                " {% generation %} and {% endgeneration %} around it, or set chat.template: lwm"
            )
        self._named = dict(named)
        self._ids = tokenizer.specials
        self._specials = sorted(self._ids, key=len, reverse=True)
        self._special = re.compile(f"({'|'.join(map(re.escape, self._specials))})")

    @classmethod
    def load(cls, tokenizer: Tokenizer) -> "Template":
        """The `chat_template` of the `tokenizer_config.json` beside the tokenizer. Raises DataError and what `read_files` raises."""
        uri = config_uri(tokenizer)
        try:
            (file, *_) = read_files(uri, (CONFIG,))
        except DataMissingError as error:
            raise DataMissingError(f"{uri}: is not there: put the tokenizer's own there, or set chat.template: lwm") from error
        source, named = chat_template(file.content, uri)
        return cls(source, tokenizer, named, uri)

    def pieces(self, messages: Sequence[Mapping[str, str]]) -> list[TextPart]:
        """The pieces of a conversation. The template alone says where special tokens stand. Raises BadRecordError."""
        said = [{key: self._untrusted(text) for key, text in message.items()} for message in messages]
        try:
            rendered = self._template.render(messages=said, add_generation_prompt=False, tools=None, documents=None, **self._named)
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise BadRecordError(f"the chat template refuses it: {error}") from error
        found: list[TextPart] = []
        counts = False
        for part in re.split(f"([{_OPEN}{_CLOSE}])", rendered):
            if part in (_OPEN, _CLOSE):
                counts = part == _OPEN
                continue
            for text in self._special.split(part):
                if text in self._ids:
                    found.append(token(self._ids[text], loss=counts))
                elif text:
                    typed = re.sub(f"{_TYPED}(\\d+){_TYPED}", lambda place: self._specials[int(place[1])], text)
                    found.append(TextPart(typed, counts))
        if not any(piece.loss for piece in found):
            raise BadRecordError("the chat template marks none of it as what the assistant says: correct either")
        return found

    def _untrusted(self, text: str) -> str:
        """The text with a number in the place of each special token, so that after rendering only the template's own are there."""
        if reserved := re.search(f"[{_OPEN}{_CLOSE}{_TYPED}]", text):
            raise BadRecordError(f"a message holds U+{ord(reserved[0]):04X}, which no text may hold: leave it out")
        return self._special.sub(lambda found: f"{_TYPED}{self._specials.index(found[0])}{_TYPED}", text)


def config_uri(tokenizer: Tokenizer) -> str:
    """Where the `tokenizer_config.json` of a tokenizer lies: beside it."""
    scheme, separator, path = tokenizer.uri.rpartition("://")
    return f"{scheme}{separator}{PurePosixPath(path).parent / CONFIG}"


def chat_template(content: bytes, uri: str) -> tuple[str, dict[str, str]]:
    """The template (of several, `default`) and the named special tokens of a `tokenizer_config.json`. Raises DataError."""
    try:
        config = json.loads(content)
        templates = config.get("chat_template")
        if isinstance(templates, list):
            templates = {entry["name"]: entry["template"] for entry in templates}.get("default")
        tokens = {name: found["content"] if isinstance(found, dict) else found for name, found in config.items() if name.endswith("_token")}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise DataCorruptError(f"{uri}: not a tokenizer_config.json: {error}") from error
    if not isinstance(templates, str):
        raise DataError(f"{uri}: has no chat_template: add one, or set chat.template: lwm")
    return templates, {name: found for name, found in tokens.items() if isinstance(found, str)}


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(found: Any, indent: int | None = None) -> str:
    return json.dumps(found, ensure_ascii=False, indent=indent)
