"""Types of the texts in a status."""

from typing import Annotated

from pydantic import Field

Short = Annotated[str, Field(max_length=64)]
Sentence = Annotated[str, Field(max_length=1024)]
Path = Annotated[str, Field(max_length=1024)]
Image = Annotated[str, Field(max_length=512)]
NodeName = Annotated[str, Field(max_length=253)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
