"""The base class of the API models, and string types with bounds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ClaimName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
Uri = Annotated[str, Field(min_length=6, max_length=512, pattern=r"^gs://[a-z0-9][-_.a-z0-9]+[a-z0-9](/[^\s]*)?$")]
SubPath = Annotated[str, Field(max_length=256, pattern=r"^([^/.\s][^\s]*)?$")]
Quantity = Annotated[int | str, Field()]


class Resource(BaseModel):
    """A frozen model with camelCase names in JSON. Unknown fields are ignored, so that an older operator can read newer objects."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)
