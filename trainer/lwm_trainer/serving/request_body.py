"""The JSON body of a request: read up to a limit, and checked against a model of its fields."""

import json
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import pydantic
from starlette.requests import Request

from lwm_trainer.serving.errors import ApiError

Body = TypeVar("Body", bound=pydantic.BaseModel)
KINDS_OF_PARTS = ("text", "image_url", "video_url")


class Fields(pydantic.BaseModel):
    """Some fields of a body. A field that is not known is an error, and one that is null counts as left out."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, fields: Any) -> Any:
        return {name: value for name, value in fields.items() if value is not None} if isinstance(fields, dict) else fields


def given_fields(fields: Fields, *names: str) -> dict[str, Any]:
    """Those of the named fields that the request has."""
    return {name: value for name in names if (value := getattr(fields, name)) is not None}


def only(*possible: Any) -> pydantic.AfterValidator:
    """A parameter of OpenAI's API that has only these values with this server."""

    def check(value: Any) -> Any:
        if value not in possible:
            raise ValueError(f"this server can do {' or '.join(map(repr, possible))} only: leave it out")
        return value

    return pydantic.AfterValidator(check)


async def read_body(request: Request, limit: int) -> bytes:
    """The bytes of the body. Raises ApiError for one that is no JSON by its own word, or of more than `limit` bytes.

    A page of another site can send no JSON without the browser's asking first, and is refused then.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"Content-Type is {kind or 'missing'}: send application/json", code="unsupported_media_type")
    return b"".join([part async for part in limited(request, limit)])


async def limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The parts of the body. Raises ApiError after `limit` bytes."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            message = f"the body has more than {limit} bytes: send less, or start the server with a larger --max-body"
            raise ApiError(413, message, code="body_too_large")
        yield part


def parse_body(body: bytes, kind: type[Body]) -> Body:
    """Raises ApiError, which names the first wrong field."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "the body is not JSON", code="invalid_json") from error
    if not isinstance(fields, dict):
        raise ApiError(400, "the body is not a JSON object", code="invalid_json")
    try:
        return kind.model_validate(fields)
    except pydantic.ValidationError as error:
        # Of a value that may be of several kinds, the problem that lies deepest is that of the kind that was meant.
        raise _wrong_field(max(error.errors(include_url=False), key=lambda problem: len(problem["loc"]))) from error


def _wrong_field(problem: Any) -> ApiError:
    name = _name(problem["loc"])
    if problem["type"] == "extra_forbidden":
        return ApiError(400, f"{name}: this server does not know it: leave it out", code="unknown_parameter", param=name)
    if problem["type"] == "missing":
        return ApiError(400, f"{name} is missing: give it", code="missing_parameter", param=name)
    return ApiError(400, f"{name}: {problem['msg'].removeprefix('Value error, ')}", code="invalid_value", param=name)


def _name(location: tuple[str | int, ...]) -> str:
    """`messages[0].content`; words by which pydantic names the kind of a value are left out."""
    name = ""
    for former, step in zip((None, *location), location, strict=False):
        if isinstance(step, int):
            name += f"[{step}]"
        elif step.isidentifier() and step != "str" and not (isinstance(former, int) and step in KINDS_OF_PARTS):
            name += f".{step}" if name else step
    return name
