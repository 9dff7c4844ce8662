"""The body of a request that may bring files: a form in parts, as clients of OpenAI's API send it, or JSON."""

import json
import re
from typing import Any, NamedTuple

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from lwm_trainer.serving.access import require_same_site
from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.request_body import limited, read_body

MOST_PARTS = 32
_NESTED = re.compile(r"(\w+)\[(\w+)\]")


class Upload(NamedTuple):
    """A file of a form."""

    content: bytes
    kind: str
    """Its media type, as the client says."""


async def read_fields(request: Request, limit: int, numbers: frozenset[str]) -> tuple[bytes, dict[str, Upload]]:
    """The fields as JSON, and the files of a form by their names.

    Args:
        limit: bytes of the body, at most.
        numbers: the fields that are numbers, which a form has as text.

    Raises ApiError for what is neither, for more than the limit, and for a form that a page of another site had a browser send.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await read_body(request, limit), {}
    require_same_site(request)
    parser = MultiPartParser(request.headers, limited(request, limit), max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=limit)
    parser.spool_max_size = limit  # in memory: a pod's file system may be read-only
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise ApiError(400, "the body is no form in parts: send multipart/form-data or application/json", code="invalid_form") from error
    fields: dict[str, Any] = {}
    files = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            files[name] = Upload(await value.read(), value.content_type or "")
        elif (nested := _NESTED.fullmatch(name)) is not None:
            fields.setdefault(nested[1], {})[nested[2]] = value
        else:
            fields[name] = _number(value) if name in numbers else value
    await form.close()
    return json.dumps(fields).encode(), files


def _number(text: str) -> Any:
    """The number that a text is; another text stays one, and is refused with the field's name."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
