"""The base class of the API models, and string types with bounds."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WrapValidator
from pydantic.alias_generators import to_camel

from lwm_operator.api.quantity import QUANTITY_PATTERN

Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ClaimName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
]
"""The name of an object: a DNS subdomain."""
LOCAL_PATH = "local_path"
"""Key of the validation context of local mode: a function from what stands in a file to a path of this machine, None for any other text."""


def _path_or_address(value: Any, check: Callable[[Any], str], info: ValidationInfo) -> str:
    """Admit a path where the reader's context does; anything else must be an address as in the CRD."""
    to_path: Callable[[str], str | None] | None = (info.context or {}).get(LOCAL_PATH)
    path = to_path(value) if to_path is not None and isinstance(value, str) else None
    return check(value) if path is None else path


Uri = Annotated[
    str, Field(min_length=6, max_length=512, pattern=r"^gs://[a-z0-9][-_.a-z0-9]+[a-z0-9](/[^\s]*)?$"), WrapValidator(_path_or_address)
]
"""An address in a bucket; in local mode also a path."""
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
