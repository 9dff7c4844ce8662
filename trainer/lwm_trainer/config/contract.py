"""The base class of all records that operator and trainer exchange, and the versions between which they understand each other.

Writers are strict and readers are lenient: a record that is made here has the fields that are declared here and no others, and a record
that is read may have more, because a newer version wrote it. So a field can be added at any time, with a default that means what was done
before. Version numbers are for everything else.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

CONTRACT_VERSION = 5
"""Version of the records that this package writes. Raise it for a change that an older reader must not ignore."""

OLDEST_CONTRACT_VERSION = 3
"""Oldest version of a config that this package reads. Version 2 had the type of activations in the model, not in `precision`."""

Version = Annotated[int, Field(ge=0)]


class Contract(BaseModel):
    """A frozen record with camelCase names in JSON. An unknown field is an error, unless it is read with `read` or `read_json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)

    @classmethod
    def read(cls, fields: object) -> Self:
        """A record that another version may have written: unknown fields are ignored. Raises pydantic.ValidationError."""
        return cls.model_validate(fields, extra="ignore")

    @classmethod
    def read_json(cls, text: str | bytes) -> Self:
        """As `read`, from JSON."""
        return cls.model_validate_json(text, extra="ignore")


class ContractError(Exception):
    """The writer of a config and its reader are too far apart in version."""


class VersionedRecord(Contract):
    """A record that a program of another version may read: a config, or the manifest of a checkpoint."""

    version: Version = CONTRACT_VERSION
    """Contract version of the program that wrote the record."""
    min_reader_version: Version = OLDEST_CONTRACT_VERSION
    """Oldest contract version whose programs understand all that is set here. An older one refuses the record."""

    @classmethod
    def unknown_fields(cls, text: str | bytes) -> list[str]:
        """Paths of the fields in `text`, such as `loss.smoothing`, that `read_config` ignores."""
        try:
            cls.model_validate_json(text)
        except ValidationError as error:
            return [".".join(map(str, each["loc"])) for each in error.errors() if each["type"] == "extra_forbidden"]
        return []

    @classmethod
    def read_config(cls, text: str | bytes) -> Self:
        """A config that an operator of another version may have written, as `read_json`.

        Raises ContractError for one outside the range that this trainer understands.
        """
        versions = VersionedRecord.read_json(text)
        if versions.min_reader_version > CONTRACT_VERSION:
            raise ContractError(
                f"the operator has contract version {versions.version} and needs a trainer of version {versions.min_reader_version} or "
                f"newer, this trainer has {CONTRACT_VERSION}: use a newer trainer image, or leave out spec.image"
            )
        if versions.version < OLDEST_CONTRACT_VERSION:
            raise ContractError(
                f"the operator has contract version {versions.version}, this trainer needs {OLDEST_CONTRACT_VERSION} or newer: upgrade the "
                f"operator's chart, or use the trainer image of its version"
            )
        return cls.read_json(text)
