"""The object of a manifest file, read as strictly as the API server reads it: no unknown field, no key twice, no value of another type."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from lwm_cli.yaml_nodes import Scalar, YamlError, entries, is_null, line_of, scalar
from lwm_operator.api.crd import crd
from lwm_operator.api.former_names import present_name

Schema = dict[str, Any]
Lines = dict[tuple[str | int, ...], int]

MAX_VALUES = 20_000
"""More than any LWMTraining that the API server would store. Few lines of aliases of aliases can make more."""

INT_OR_STRING = "x-kubernetes-int-or-string"
_TEXT: Schema = {"type": "string"}
_ANYTHING: Schema = {}
_LIST: Schema = {"type": "array", "items": _ANYTHING}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
METADATA: Schema = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "generateName": _TEXT,
        "namespace": _TEXT,
        "uid": _TEXT,
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "creationTimestamp": _ANYTHING,
        "deletionTimestamp": _ANYTHING,
        "generation": {"type": "integer"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "finalizers": {"type": "array", "items": _TEXT},
        "ownerReferences": _LIST,
        "managedFields": _LIST,
    },
}
"""The fields of ObjectMeta. The CRD says only that metadata is an object."""

_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "object": "a mapping",
    "array": "a list",
}


class _TooManyValuesError(Exception):
    pass


class StrictReader:
    """Reads one object. `errors` holds (line, sentence) afterwards, `lines` the line of each value by its path."""

    def __init__(self) -> None:
        self.errors: list[tuple[int, str]] = []
        self.lines: Lines = {}
        self._around: list[Node] = []
        self._values = 0

    def read(self, root: Node) -> dict[str, Any]:
        """The LWMTraining at `root`, without fields that are null."""
        try:
            value = self._value(root, object_schema(), ())
        except _TooManyValuesError:
            self._report(line_of(root), (), f"the object has more than {MAX_VALUES:,} values: write its aliases out")
            return {}
        return value if isinstance(value, dict) else {}

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """The line of the value at `path`, or of the closest one around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def _value(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> Any:
        self.lines[path] = line_of(node)
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooManyValuesError
        if node in self._around:
            self._report(line_of(node), path, "it is an alias that contains itself: write it out")
            return None
        self._around.append(node)
        try:
            match node:
                case MappingNode():
                    return self._mapping(node, schema, path)
                case SequenceNode():
                    return self._sequence(node, schema, path)
                case ScalarNode():
                    return self._scalar(node, schema, path)
        except YamlError as error:
            self._report(error.line or line_of(node), path, str(error))
        finally:
            self._around.pop()
        return None

    def _mapping(self, node: MappingNode, schema: Schema, path: tuple[str | int, ...]) -> dict[str, Any] | None:
        if not _admits(schema, "object"):
            self._wrong_type(node, schema, path, "a mapping")
            return None
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        values: dict[str, Any] = {}
        pairs, duplicates = entries(node)
        for error in duplicates:
            self._report(error.line or line_of(node), path, str(error))
        for key, child in pairs:
            name = str(key.value)
            known = properties.get(name, others if others is not None else None if schema else _ANYTHING)
            if known is None:
                self._report(line_of(key), (*path, name), f"unknown field: {_advice((*path, name), properties)}")
            elif not is_null(child):  # the API server drops it, and then looks for what is missing
                values[name] = self._value(child, known, (*path, name))
        return values

    def _sequence(self, node: SequenceNode, schema: Schema, path: tuple[str | int, ...]) -> list[Any] | None:
        if not _admits(schema, "array"):
            self._wrong_type(node, schema, path, "a list")
            return None
        return [self._value(child, schema.get("items", _ANYTHING), (*path, index)) for index, child in enumerate(node.value)]

    def _scalar(self, node: ScalarNode, schema: Schema, path: tuple[str | int, ...]) -> Scalar:
        value = scalar(node)
        kinds = {bool: ("boolean",), int: ("integer", "number"), float: ("number",), str: ("string",)}.get(type(value), ())
        if not any(_admits(schema, kind) for kind in kinds) and schema:
            self._wrong_type(node, schema, path, _in_words(node, value))
        return value

    def _wrong_type(self, node: Node, schema: Schema, path: tuple[str | int, ...], given: str) -> None:
        wanted = "text or a whole number" if schema.get(INT_OR_STRING) else _NAMES[schema["type"]]
        self._report(line_of(node), path, f"it is {given}, and must be {wanted}{_hint(node, schema)}")

    def _report(self, line: int, path: tuple[str | int, ...], sentence: str) -> None:
        self.errors.append((line, f"{dotted(path)}: {sentence}" if path else sentence))


def _advice(path: tuple[str | int, ...], known: Iterable[str]) -> str:
    """What to do about an unknown field beside the known ones."""
    if (present := present_name(dotted(path).removeprefix("spec."))) is not None:
        return f"it is {present} now"
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    return f"did you mean {near[0]}?" if near else "remove it"


def dotted(path: tuple[str | int, ...]) -> str:
    """The path as the API server writes it: spec.stages[0].steps."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


@cache
def object_schema() -> Schema:
    """The CRD's schema with that of metadata."""
    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return {**schema, "properties": {**schema["properties"], "metadata": METADATA}}


def path_in(body: Any, sentence: str) -> tuple[str | int, ...]:
    """The path of the field with which a sentence of `plan.validation` begins, such as `spec.stages[ctx512].mesh`, as far as it exists.

    In brackets is a key, or the number or the name of an item of a list.
    """
    path: list[str | int] = []
    for name, key in re.findall(r"\.?([A-Za-z]+)|\[([^\]]*)\]", sentence.partition(": ")[0]):
        if isinstance(body, list):
            index = int(key) if key.isdigit() else next((index for index, item in enumerate(body) if item.get("name") == key), None)
            if index is None:
                break
            path.append(index)
            body = body[index]
        elif isinstance(body, dict) and (name or key) in body:
            path.append(name or key)
            body = body[name or key]
        else:
            break
    return tuple(path)


def _admits(schema: Schema, kind: str) -> bool:
    if schema.get(INT_OR_STRING):
        return kind in ("integer", "string")
    return not schema or schema["type"] == kind


def _in_words(node: ScalarNode, value: Scalar) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}{f' ({node.value})' if node.value.lower() not in ('true', 'false') else ''}"
    return f'the text "{value}"' if isinstance(value, str) else f"the number {node.value}"


def _hint(node: Node, schema: Schema) -> str:
    """How to write the value so that it has the right type."""
    if not isinstance(node, ScalarNode):
        return ""
    wants_text = schema.get("type") == "string" or schema.get(INT_OR_STRING)
    if wants_text:
        return f': write "{node.value}" with quotes' if node.value else ': give a value, or "" for none'
    if node.value and schema.get("type") in ("integer", "number", "boolean") and _admits(schema, _kind_of_plain(str(node.value))):
        return f": write {node.value} without quotes"
    return ": give a value, or remove the field" if not node.value else ""


def _kind_of_plain(text: str) -> str:
    plain = ScalarNode("plain", text, None, None)
    try:
        value = scalar(plain)
    except YamlError:
        return "string"
    return {bool: "boolean", int: "integer", float: "number"}.get(type(value), "string")
