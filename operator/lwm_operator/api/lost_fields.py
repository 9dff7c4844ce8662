"""Fields of `spec` that somebody applied, and that the API server drops because its CRD no longer has them.

It drops them from every answer, without a word. Only Kubernetes' records of what was applied still name them.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from lwm_operator.api.schema import structural
from lwm_operator.api.spec import Spec

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation in which `kubectl apply` keeps the object as it was written."""

Schema = Mapping[str, Any]


def find_lost_fields(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths below `spec`, such as `stages[ctx512].loss.zWeight`, of fields that were applied, are not in the object, and are unknown here.

    A field that is in the object is not lost: the CRD is newer than this operator.
    """
    spec = body.get("spec")
    paths = (path for record in _records(body["metadata"]) for path in _lost(record, spec, _schema(), ""))
    return tuple(dict.fromkeys(paths))


@cache
def _schema() -> Schema:
    return structural(Spec)


def _records(metadata: Mapping[str, Any]) -> list[Any]:
    """What was applied of `spec`, as nested objects; of some records only the keys are true.

    An object that was never applied has the records of other writers only. They name defaults too, and keep names that are gone.
    """
    entries = [entry for entry in metadata.get("managedFields") or () if not entry.get("subresource")]
    applied = [_from_fields(entry.get("fieldsV1") or {}).get("spec") for entry in entries if entry.get("operation") == "Apply"]
    last_applied = (metadata.get("annotations") or {}).get(LAST_APPLIED)
    if last_applied is not None:
        applied.append(_parse_spec(last_applied))
    return applied or [_from_fields(entry.get("fieldsV1") or {}).get("spec") for entry in entries]


def _parse_spec(text: str) -> Any:
    """The spec of an object in JSON; None for a text that is none, which somebody else wrote."""
    try:
        return json.loads(text).get("spec")
    except (ValueError, AttributeError):
        return None


def _from_fields(fields: Mapping[str, Any]) -> Any:
    """The set of fields that an entry of managedFields holds, as nested objects and lists."""
    items = [(json.loads(key[2:]), child) for key, child in fields.items() if key.startswith("k:")]
    if items:
        return [{**_from_fields(child), **keys} for keys, child in items]
    return {key[2:]: _from_fields(child) for key, child in fields.items() if key.startswith("f:")}


def _lost(record: Any, stored: Any, schema: Schema, path: str) -> Iterator[str]:
    """Paths in `record` that neither `stored` nor `schema` have."""
    if isinstance(record, Mapping) and "properties" in schema:
        stored = stored if isinstance(stored, Mapping) else {}
        for name, value in record.items():
            inner = f"{path}.{name}".removeprefix(".")
            if name in schema["properties"]:
                yield from _lost(value, stored.get(name), schema["properties"][name], inner)
            elif name not in stored and value is not None:
                yield inner
    elif isinstance(record, list) and "items" in schema:
        items = stored if isinstance(stored, list) else []
        for index, value in enumerate(record):
            name = value.get("name") if isinstance(value, Mapping) else None
            same_place = items[index] if index < len(items) else None
            same = same_place if name is None else _named(items, name)
            yield from _lost(value, same, schema["items"], f"{path}[{index if name is None else name}]")


def _named(items: list[Any], name: str) -> Any:
    return next((item for item in items if isinstance(item, Mapping) and item.get("name") == name), None)
