"""From pydantic's JSON Schema to the structural schema that the API server takes.

The server forbids `$ref`, types inside `anyOf`, numeric exclusive bounds and more; each conversion here is one of its rules. What
cannot be said in a structural schema is an error of the model's author, raised at generation time.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

DROPPED = ("title", "$defs", "examples", "discriminator", "exclude")
KNOWN_FORMATS = ("date-time", "int32", "int64")
BAD_NAMES = ("y", "n", "yes", "no", "on", "off", "true", "false")
"""YAML 1.1 reads these as booleans when they stand unquoted."""


class SchemaError(ValueError):
    """The model says something that a structural schema cannot."""


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of `model`, as camelCase dict without references."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), model.__name__)


def _convert(node: Schema, definitions: dict[str, Schema], where: str) -> Schema:
    node = _resolved(node, definitions)
    node = _without_null(node, definitions, where)
    found = {key: value for key, value in node.items() if key not in DROPPED}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if found.get("additionalProperties") is False:
        del found["additionalProperties"]
    if found.get("format") not in (None, *KNOWN_FORMATS):
        del found["format"]
    if isinstance(found.get("default"), dict):
        found["default"] = {key: value for key, value in found["default"].items() if value not in (None, [])}
    if "default" in found and found["default"] in (None, [], {}):
        del found["default"]
    for bound in ("minimum", "maximum"):
        name = f"exclusive{bound.capitalize()}"
        if name in found:
            found[bound] = found[name]
            found[name] = True
    if "properties" in found:
        if bad := [name for name in found["properties"] if name in BAD_NAMES]:
            raise SchemaError(f"{where}.{bad[0]}: YAML 1.1 reads this name as a boolean, choose another")
        found["properties"] = {name: _convert(child, definitions, f"{where}.{name}") for name, child in found["properties"].items()}
    if isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _convert(found["additionalProperties"], definitions, f"{where}.*")
    if found.get("type") == "array":
        if "items" not in found:
            raise SchemaError(f"{where}: a list needs one type of items")
        found["items"] = _convert(found["items"], definitions, f"{where}[]")
    if "type" not in found and "x-kubernetes-int-or-string" not in found:
        raise SchemaError(f"{where}: no type in {sorted(found)}")
    return found


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """The node with its reference inlined; what stands beside the reference wins, rules of both are kept."""
    if "$ref" not in node:
        return node
    target = definitions[node["$ref"].rsplit("/", 1)[1]]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    rules = [*target.get("x-kubernetes-validations", ()), *beside.get("x-kubernetes-validations", ())]
    merged = {**target, **beside}
    return {**merged, "x-kubernetes-validations": rules} if rules else merged


def _without_null(node: Schema, definitions: dict[str, Schema], where: str) -> Schema:
    """`X | None` becomes X (absent is the only spelling of None), `int | str` becomes int-or-string."""
    if "anyOf" not in node:
        return node
    options = [option for option in node["anyOf"] if option.get("type") != "null"]
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    if len(options) == 1:
        return {**_resolved(options[0], definitions), **beside}
    if sorted(str(option.get("type")) for option in options) == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True, **beside}
    raise SchemaError(f"{where}: a union cannot be said in a structural schema, use sibling fields and a rule")
