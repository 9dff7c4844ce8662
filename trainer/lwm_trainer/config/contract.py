"""The base class of all records that operator and trainer exchange."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

CONTRACT_VERSION: Literal[1] = 1


class Contract(BaseModel):
    """A frozen record with camelCase names in JSON. An unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)
