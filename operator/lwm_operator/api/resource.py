"""The base class of the API models, and string types with bounds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lwm_operator.api.quantity import QUANTITY_PATTERN

Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ClaimName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
]
"""The name of an object: a DNS subdomain."""
Uri = Annotated[str, Field(min_length=6, max_length=512, pattern=r"^gs://[a-z0-9][-_.a-z0-9]+[a-z0-9](/[^\s]*)?$")]
SubPath = Annotated[str, Field(max_length=256, pattern=r"^([^/.\s][^/\s]*(/([^/.\s][^/\s]*|\.[^/.\s][^/\s]*|\.\.[^/\s]+|\.)?)*)?$")]
"""A relative path without a part `..`, which Kubernetes refuses."""
Quantity = Annotated[int | str, Field(json_schema_extra={"pattern": QUANTITY_PATTERN, "minimum": 0})]
"""The pattern is the CRD's only. `plan.validation` checks the value again, so that an object of an older CRD gets a sentence."""
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LabelValue = Annotated[str, Field(max_length=63, json_schema_extra={"pattern": LABEL_VALUE_PATTERN})]
LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
"""A label's key: a name, or a DNS subdomain, a slash and a name."""


class Resource(BaseModel):
    """A frozen model with camelCase names in JSON. Unknown fields are ignored, so that an older operator can read newer objects."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)
