"""The CEL rules and the unique keys of the CRD, checked on this machine as the API server does it: on the object with its defaults."""

import json
from collections.abc import Iterator
from typing import Any

import cel

from lwm_cli.strict_manifest import Schema, object_schema
from lwm_operator.api.quantity import parse_quantity
from lwm_operator.api.rules import LIST_TYPE, MAP_KEYS, VALIDATIONS

Path = tuple[str | int, ...]


def rule_errors(body: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """The path and the message of each rule that the object violates, and of duplicates. It must fit the schema otherwise.

    Rules about changes (`oldSelf`) do not apply to a new object.
    """
    schema = object_schema()
    yield from _errors(_with_defaults(body, schema), schema, ())


def _errors(value: Any, schema: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    for rule in schema.get(VALIDATIONS, ()):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):
            yield path, rule["message"]
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _errors(child, _child(schema, name), (*path, name))
    elif isinstance(value, list):
        yield from _duplicates(value, schema, path)
        for number, child in enumerate(value):
            yield from _errors(child, schema.get("items", {}), (*path, number))


def _duplicates(items: list[Any], schema: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    """Items that a list of type `map` or `set` has twice."""
    fields = schema.get(MAP_KEYS, ())
    if schema.get(LIST_TYPE) not in ("map", "set"):
        return
    keys = [{field: item.get(field) for field in fields} if fields else item for item in items]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            yield (*path, number), f"Duplicate value: {json.dumps(key)}"


def _holds(rule: str, value: Any) -> bool:
    context = cel.Context(variables={"self": value})
    context.add_function("isQuantity", _is_quantity)
    return cel.evaluate(rule, context) is True


def _is_quantity(text: str) -> bool:
    """Kubernetes' function: signs are part of a quantity, whatever the field's pattern says of them."""
    return parse_quantity(text.removeprefix("-")) is not None


def _with_defaults(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults, and with fractional numbers wherever the schema has them."""
    if isinstance(value, dict):
        defaults = {name: child["default"] for name, child in schema.get("properties", {}).items() if "default" in child}
        return {name: _with_defaults(child, _child(schema, name)) for name, child in (defaults | value).items()}
    if isinstance(value, list):
        return [_with_defaults(child, schema.get("items", {})) for child in value]
    return float(value) if schema.get("type") == "number" else value


def _child(schema: Schema, name: str) -> Schema:
    properties: Schema = schema.get("properties", {})
    others = schema.get("additionalProperties")
    child: Schema = properties.get(name, others if isinstance(others, dict) else {})
    return child
