"""How a CEL rule stands beside the field that it guards."""

from pydantic.config import JsonDict

VALIDATIONS = "x-kubernetes-validations"
MAP_KEYS = "x-kubernetes-list-map-keys"
LIST_TYPE = "x-kubernetes-list-type"


def rule(expression: str, message: str) -> dict[str, str]:
    """One CEL rule and the sentence, with the fix, that the user reads when it does not hold."""
    return {"rule": expression, "message": message}


def guarded(*rules: dict[str, str]) -> JsonDict:
    """`json_schema_extra` of a field or a model with these rules."""
    return {VALIDATIONS: [{**each} for each in rules]}


def list_map(key: str, *rules: dict[str, str]) -> JsonDict:
    """`json_schema_extra` of a list whose items are told apart by `key`: duplicates are refused by the API server itself."""
    extra: JsonDict = {LIST_TYPE: "map", MAP_KEYS: [key]}
    if rules:
        extra[VALIDATIONS] = [{**each} for each in rules]
    return extra


def immutable(what: str) -> dict[str, str]:
    return rule("self == oldSelf", f"{what} cannot change after creation: create a new LWMTraining instead")
