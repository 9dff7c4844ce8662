"""What the operator reads of a trainer whose contract is one field newer or older than its own."""

from typing import Any, Literal, TypeVar

from lwm_trainer.config import Contract

Skew = Literal["same", "newer", "older"]

C = TypeVar("C", bound=Contract)


def as_read(record: C, skew: Skew) -> C:
    """The record as a trainer of that version writes it, read by the operator."""
    if skew == "same":
        return record
    fields = record.model_dump(mode="json", by_alias=True)
    if skew == "newer":
        _add_fields(fields)
        return type(record).read(fields)
    return type(record).read(record.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def _add_fields(fields: dict[str, Any]) -> None:
    """An unknown field in the record and in each record inside it."""
    for value in list(fields.values()):
        if isinstance(value, dict):
            _add_fields(value)
    fields["addedLater"] = {"loss": 2.5}
