"""Converts pydantic's JSON Schema to the structural schema that the API server requires.

The server forbids `$ref`, types inside `anyOf`, numeric exclusive bounds and more. Each conversion here follows one of its rules. A model
that has no structural schema is an error at generation time.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

DROPPED = ("title", "$defs", "examples", "discriminator", "exclude")
KNOWN_FORMATS = ("date", "date-time", "int32", "int64")
BAD_NAMES = ("y", "n", "yes", "no", "on", "off", "true", "false")
"""YAML 1.1 reads these as booleans if they are not quoted."""


class SchemaError(ValueError):
    """The model has no structural schema."""


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of `model`, with camelCase names and without references."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), model.__name__)


def _convert(node: Schema, definitions: dict[str, Schema], where: str) -> Schema:
    node = _resolved(node, definitions)
    node = _without_null(node, definitions, where)
    schema = {key: value for key, value in node.items() if key not in DROPPED}
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    if schema.get("format") not in (None, *KNOWN_FORMATS):
        del schema["format"]
    if isinstance(schema.get("default"), dict):
        schema["default"] = {key: value for key, value in schema["default"].items() if value not in (None, [])}
    if "default" in schema and schema["default"] in (None, [], {}):
        del schema["default"]
    for bound in ("minimum", "maximum"):
        name = f"exclusive{bound.capitalize()}"
        if name in schema:
            schema[bound] = schema[name]
            schema[name] = True
    if "properties" in schema:
        if bad := [name for name in schema["properties"] if name in BAD_NAMES]:
            raise SchemaError(f"{where}.{bad[0]}: YAML 1.1 reads this name as a boolean, choose another")
        schema["properties"] = {name: _convert(child, definitions, f"{where}.{name}") for name, child in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = _convert(schema["additionalProperties"], definitions, f"{where}.*")
    if schema.get("type") == "array":
        if "items" not in schema:
            raise SchemaError(f"{where}: a list needs one type of items")
        schema["items"] = _convert(schema["items"], definitions, f"{where}[]")
    if "type" not in schema and "x-kubernetes-int-or-string" not in schema:
        raise SchemaError(f"{where}: no type in {sorted(schema)}")
    return schema


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """The node with its reference inlined. Keys next to the reference take precedence; rules of both are kept."""
    if "$ref" not in node:
        return node
    target = definitions[node["$ref"].rsplit("/", 1)[1]]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    rules = [*target.get("x-kubernetes-validations", ()), *beside.get("x-kubernetes-validations", ())]
    merged = {**target, **beside}
    return {**merged, "x-kubernetes-validations": rules} if rules else merged


def _without_null(node: Schema, definitions: dict[str, Schema], where: str) -> Schema:
    """`X | None` becomes an optional X, and `int | str` becomes int-or-string."""
    if "anyOf" not in node:
        return node
    options = [option for option in node["anyOf"] if option.get("type") != "null"]
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    if len(options) == 1:
        return {**_resolved(options[0], definitions), **beside}
    if sorted(str(option.get("type")) for option in options) == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True, **beside}
    raise SchemaError(f"{where}: a structural schema has no unions: use sibling fields and a rule")
