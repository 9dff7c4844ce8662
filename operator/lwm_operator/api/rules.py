"""CEL rules and list types as `json_schema_extra` of a field or model."""

from pydantic.config import JsonDict

VALIDATIONS = "x-kubernetes-validations"
MAP_KEYS = "x-kubernetes-list-map-keys"
LIST_TYPE = "x-kubernetes-list-type"


def rule(expression: str, message: str) -> dict[str, str]:
    """A CEL rule and the message that the user reads if it is violated. The message includes the fix."""
    return {"rule": expression, "message": message}


def guarded(*rules: dict[str, str]) -> JsonDict:
    """`json_schema_extra` of a field or a model with these rules."""
    return {VALIDATIONS: [{**rule} for rule in rules]}


def list_map(key: str, *rules: dict[str, str]) -> JsonDict:
    """`json_schema_extra` of a list whose items have a unique `key`. The API server refuses duplicates."""
    extra: JsonDict = {LIST_TYPE: "map", MAP_KEYS: [key]}
    if rules:
        extra[VALIDATIONS] = [{**rule} for rule in rules]
    return extra


def immutable(field: str) -> dict[str, str]:
    return rule("self == oldSelf", f"{field} cannot change after creation: create a new LWMTraining instead")
