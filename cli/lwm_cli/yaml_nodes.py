"""YAML as kubectl reads it, with the line of every value.

kubectl turns YAML into JSON with Go's yaml.v2. Its plain scalars differ from PyYAML's: `y` is true, `1e6` is a number, `1:30` is text.
"""

import math
import re
from collections.abc import Iterator

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

Scalar = str | int | float | bool | None

_PLAIN = "plain"
_TEXT = ("tag:yaml.org,2002:str", "!")
_MERGE = "<<"
_NULL = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {
    word: value
    for value, words in ((True, "y yes true on"), (False, "n no false off"))
    for lower in words.split()
    for word in (lower, lower.capitalize(), lower.upper())
}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_OLD_OCTAL = re.compile(r"[-+]?0[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class YamlError(Exception):
    """What is wrong, with the line (1-based) if it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.BaseLoader):
    """Composes nodes whose tag says whether a scalar is plain, so that it is resolved here and not by PyYAML."""

    def resolve(self, kind: type[Node], value: str | None, implicit: object) -> str:
        is_plain = kind is ScalarNode and isinstance(implicit, tuple) and bool(implicit[0])
        return _PLAIN if is_plain else str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


def documents(text: str) -> list[Node]:
    """The root nodes of all documents that are not empty. Raises YamlError."""
    try:
        return [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(str(error.problem or error.context), mark.line + 1 if mark is not None else None) from error
    except RecursionError as error:
        raise YamlError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise YamlError(str(error)) from error


def line_of(node: Node) -> int:
    """The line on which the node begins (1-based)."""
    return int(node.start_mark.line) + 1


def scalar(node: ScalarNode) -> Scalar:
    """The value of a scalar. Raises YamlError for a tag or a number that JSON cannot express."""
    text = str(node.value)
    if node.tag in _TEXT:
        return text
    if node.tag != _PLAIN:
        raise YamlError(f"the tag {node.tag} has no meaning here: remove it", line_of(node))
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        return int(digits, 8 if _OLD_OCTAL.fullmatch(digits) else 0)
    if _FLOAT.fullmatch(digits) and math.isfinite(number := float(digits)):
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if _FLOAT.fullmatch(digits) or _NOT_FINITE.fullmatch(text):
        raise YamlError(f"{text} is no number that JSON can express: write a finite one", line_of(node))
    return text


def is_null(node: Node) -> bool:
    """Whether the value is null: nothing, `~` or `null` without quotes."""
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and node.value in _NULL


def entries(node: MappingNode) -> tuple[list[tuple[ScalarNode, Node]], list[YamlError]]:
    """Keys and values in order, and an error for each key that is given twice. Raises YamlError for a key that is no text.

    Keys of merged mappings (`<<`) come last, and only where the mapping has no such key.
    """
    own: dict[str, tuple[ScalarNode, Node]] = {}
    merged: list[tuple[ScalarNode, Node]] = []
    errors: list[YamlError] = []
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise YamlError("a key must be text", line_of(key))
        if key.tag == _PLAIN and key.value == _MERGE:
            merged += _merged(value)
        elif key.value in own:
            errors.append(YamlError(f"{key.value} is given twice, first on line {line_of(own[key.value][0])}: remove one", line_of(key)))
        else:
            own[key.value] = (key, value)
    for key, value in merged:
        own.setdefault(key.value, (key, value))
    return list(own.values()), errors


def _merged(value: Node) -> Iterator[tuple[ScalarNode, Node]]:
    for source in value.value if isinstance(value, SequenceNode) else [value]:
        if not isinstance(source, MappingNode):
            raise YamlError("<< merges mappings only: refer to one", line_of(source))
        yield from entries(source)[0]


def value_of(node: Node, name: str) -> str | None:
    """The text of the scalar `name` in a mapping; None when there is none."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next((value.value for key, value in pairs if key.value == name and isinstance(value, ScalarNode)), None)
