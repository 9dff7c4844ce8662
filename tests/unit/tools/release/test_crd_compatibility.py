"""Each kind of change, with its verdict."""

from copy import deepcopy
from typing import Any

import pytest

from lwm_operator.api.crd import crd
from tools.release.crd_compatibility import breaking_changes, spec_schema

BEFORE: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 32, "pattern": "^a"},
        "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "stages": {"type": "array", "items": {"type": "object", "properties": {"steps": {"type": "integer", "minimum": 1}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BEFORE with another value at a path of keys; None removes the key."""
    schema = deepcopy(BEFORE)
    *way, last = path.split("/")
    place = schema
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("properties/name", None, "spec.name: it is gone"),
        ("properties/name/type", "integer", "spec.name: type was string, and is integer"),
        ("properties/name/maxLength", 16, "spec.name: maxLength was 32, and is 16"),
        ("properties/name/minLength", 2, "spec.name: minLength was None, and is 2"),
        ("properties/name/pattern", "^b", "spec.name: pattern was ^a, and is ^b"),
        ("properties/mode/enum", ["b", "c"], "spec.mode: a is not admitted any more"),
        ("properties/name/enum", ["x"], "spec.name: any value is not admitted any more"),
        ("properties/mode/default", "b", "spec.mode: the default was a, and is b"),
        ("required", ["name", "mode"], "spec.mode: it is required now"),
        ("properties/stages/items/properties/steps/minimum", 2, "spec.stages[].steps: minimum was 1, and is 2"),
        ("properties/labels/additionalProperties/type", "integer", "spec.labels.*: type was string, and is integer"),
        ("x-kubernetes-validations", [{"rule": "has(self.name)", "message": "no name"}], "spec: there is a new rule: no name"),
    ],
)
def test_a_change_that_can_break_an_object_is_named(path: str, value: Any, sentence: str) -> None:
    assert list(breaking_changes(BEFORE, changed(path, value))) == [sentence]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/more", {"type": "string"}),
        ("properties/name/maxLength", 64),
        ("properties/name/maxLength", None),
        ("properties/name/pattern", None),
        ("properties/name/description", "text"),
        ("properties/mode/enum", ["a", "b", "c"]),
        ("properties/mode/enum", None),
        ("required", []),
        ("properties/stages/items/properties/steps/minimum", 0),
    ],
)
def test_a_change_that_admits_more_is_none(path: str, value: Any) -> None:
    assert list(breaking_changes(BEFORE, changed(path, value))) == []


def test_the_present_crd_is_compatible_with_itself_and_not_with_one_field_less() -> None:
    present = spec_schema(crd())
    assert list(breaking_changes(present, present)) == []
    less = {**present, "properties": {name: schema for name, schema in present["properties"].items() if name != "trackers"}}
    assert list(breaking_changes(present, less)) == ["spec.trackers: it is gone"]
