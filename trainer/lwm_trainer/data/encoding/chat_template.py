"""A tokenizer's own chat template, rendered with all that Hugging Face's `apply_chat_template` gives it.

The template is Jinja, sandboxed. The tag `{% generation %}` has the meaning it has there: it encloses what the assistant says, and the
rendered text has a mark at each end of that.
"""

import datetime
import json
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lwm_trainer.data.encoding.tokenizer_config import TemplateSource
from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.record import BadRecordError

# Unicode noncharacters, reserved for a program's internal use: no message may hold them.
ANSWER_BEGIN, ANSWER_END = "\ufdd2", "\ufdd3"

_PROBE = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
"""A conversation that any template should render."""
_RENDER_ERRORS = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class Conversation(NamedTuple):
    """What a template renders."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] | None = None
    documents: Sequence[Mapping[str, Any]] | None = None


class _Generation(jinja2.ext.Extension):
    """The tag `{% generation %}…{% endgeneration %}`: encloses the rendered body in marks."""

    tags = {"generation"}  # noqa: RUF012  # the base class declares it as an instance attribute

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("mark"), [], [], body).set_lineno(line)

    def mark(self, caller: Any) -> str:
        return f"{ANSWER_BEGIN}{caller()}{ANSWER_END}"


class _RefusalError(jinja2.TemplateError):
    """The template called raise_exception: the conversation is not for it."""


class ChatTemplate:
    """A compiled chat template."""

    def __init__(self, template: TemplateSource, token_names: Mapping[str, str], date: datetime.date) -> None:
        """Compile the template.

        Args:
            token_names: special tokens by the names that the template knows them by, such as bos_token.
            date: what `strftime_now` formats. It is not today's, so that all hosts and attempts make the same tokens.

        Raises DataCorruptError when the template does not compile.
        """
        self.uri = template.uri
        self._token_names = dict(token_names)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols])
        environment.filters["tojson"] = _to_json
        midnight = datetime.datetime.combine(date, datetime.time())
        environment.globals |= {"raise_exception": _refuse, "strftime_now": midnight.strftime}
        try:
            parsed = environment.parse(template.source)
            self._template = environment.from_string(template.source)
        except jinja2.TemplateError as error:
            line = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
            raise DataCorruptError(f"{self.uri}: chat_template{line}: not a valid template: {error}: correct it") from error
        self.marks_answers = any(node.name == "mark" for node in parsed.find_all(jinja2.nodes.ExtensionAttribute))
        """Whether the template has `{% generation %}`."""

    def render(self, conversation: Conversation, *, add_generation_prompt: bool = False) -> str:
        """The rendered text, with marks around what `{% generation %}` encloses.

        Raises BadRecordError when the conversation cannot be rendered, and DataCorruptError when no conversation could be.
        """
        try:
            return self._render(conversation, add_generation_prompt)
        except _RENDER_ERRORS as error:
            if self._is_own_fault(error):
                raise DataCorruptError(f"{self.uri}: chat_template, line {_line(error)}: {error}: correct the template") from error
            raise BadRecordError(f"the chat template refuses it: {error}") from error

    def _render(self, conversation: Conversation, add_generation_prompt: bool) -> str:
        return self._template.render(**self._token_names, **conversation._asdict(), add_generation_prompt=add_generation_prompt)

    def _is_own_fault(self, error: Exception) -> bool:
        """Whether the template is at fault, not the record: it does what a sandbox forbids, knows a name that nobody gives it, or fails in
        the same way on any conversation."""
        if isinstance(error, _RefusalError):
            return False
        if isinstance(error, jinja2.UndefinedError):
            return str(error).endswith(" is undefined")  # a name of its own; a record's key is an attribute that an object has not
        if isinstance(error, jinja2.TemplateError | RecursionError):
            return True
        try:
            self._render(Conversation(_PROBE), add_generation_prompt=False)
        except _RENDER_ERRORS as other:
            return (type(other), str(other)) == (type(error), str(error))
        return False


def _line(error: Exception) -> int:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return lines[-1] or 0 if lines else 0


def _refuse(message: str) -> NoReturn:
    raise _RefusalError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
