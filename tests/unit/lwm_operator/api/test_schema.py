from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from lwm_operator.api.schema import SchemaError, structural


class Inner(BaseModel):
    size: Annotated[float, Field(gt=0, le=5)] = 1.0


class Outer(BaseModel):
    inner: Annotated[Inner, Field(json_schema_extra={"x-kubernetes-validations": [{"rule": "true", "message": "m"}]})]
    maybe: Inner | None = None
    kind: Literal["one"] = "one"
    amount: int | str = 1
    names: tuple[str, ...] = ()
    labels: dict[str, str] = {}


def test_references_are_inlined_with_the_keys_next_to_them() -> None:
    inner = structural(Outer)["properties"]["inner"]
    assert inner["properties"]["size"] == {"default": 1.0, "minimum": 0, "exclusiveMinimum": True, "maximum": 5, "type": "number"}
    assert inner["x-kubernetes-validations"] == [{"rule": "true", "message": "m"}]


def test_an_optional_field_may_only_be_absent() -> None:
    schema = structural(Outer)
    assert schema["properties"]["maybe"]["type"] == "object"
    assert "default" not in schema["properties"]["maybe"]
    assert schema["required"] == ["inner"]


def test_constants_unions_lists_and_maps() -> None:
    properties = structural(Outer)["properties"]
    assert properties["kind"] == {"default": "one", "enum": ["one"], "type": "string"}
    assert properties["amount"]["x-kubernetes-int-or-string"] is True
    assert properties["names"] == {"items": {"type": "string"}, "type": "array"}
    assert properties["labels"] == {"additionalProperties": {"type": "string"}, "type": "object"}


class Union(BaseModel):
    either: int | list[str] = 1


class Yes(BaseModel):
    n: int = 1


@pytest.mark.parametrize(("model", "field"), [(Union, "either"), (Yes, "n")])
def test_a_model_without_a_structural_schema_is_an_error(model: type[BaseModel], field: str) -> None:
    with pytest.raises(SchemaError, match=field):
        structural(model)
