"""Whether objects of the last release's CRD are valid under the present one, and mean the same. Pure.

It compares the schemas of spec field by field, since status is the operator's own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "minProperties")
_EQUAL = ("type", "format", "pattern", "exclusiveMinimum", "exclusiveMaximum", "x-kubernetes-list-type", "x-kubernetes-list-map-keys")


def spec_schema(crd: Schema) -> Schema:
    """The schema of spec in the version that is stored."""
    (stored,) = (version for version in crd["spec"]["versions"] if version["storage"])
    schema: Schema = stored["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def breaking_changes(before: Schema, after: Schema, path: str = "spec") -> Iterator[str]:
    """A sentence for each change by which an object that was valid may be refused, lose a field, or mean something else."""
    for bound in _EQUAL:
        if before.get(bound) != after.get(bound) and (bound in after or bound in ("type", "x-kubernetes-list-type")):
            yield f"{path}: {bound} was {before.get(bound)}, and is {after.get(bound)}"
    for bound in (*_UPPER, *_LOWER):
        if bound in after and _is_tighter(bound, before.get(bound), after[bound]):
            yield f"{path}: {bound} was {before.get(bound)}, and is {after[bound]}"
    if "enum" in after and (gone := [value for value in before.get("enum", ["any value"]) if value not in after["enum"]]):
        yield f"{path}: {', '.join(map(str, gone))} is not admitted any more"
    if before.get("default") != after.get("default") and "properties" not in after:
        yield f"{path}: the default was {before.get('default')}, and is {after.get('default')}"
    rules = {each["rule"] for each in before.get("x-kubernetes-validations", ())}
    for each in after.get("x-kubernetes-validations", ()):
        if each["rule"] not in rules:
            yield f"{path}: there is a new rule: {each['message']}"
    for name in after.get("required", ()):
        if name not in before.get("required", ()):
            yield f"{path}.{name}: it is required now"
    for name, schema in before.get("properties", {}).items():
        if name not in after.get("properties", {}):
            yield f"{path}.{name}: it is gone"
        else:
            yield from breaking_changes(schema, after["properties"][name], f"{path}.{name}")
    for inner, place in (("items", f"{path}[]"), ("additionalProperties", f"{path}.*")):
        if isinstance(before.get(inner), Mapping) and isinstance(after.get(inner), Mapping):
            yield from breaking_changes(before[inner], after[inner], place)


def _is_tighter(bound: str, before: float | None, after: float) -> bool:
    return before is None or (after < before if bound in _UPPER else after > before)
