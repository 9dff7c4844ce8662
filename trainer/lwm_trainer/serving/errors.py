"""Errors as clients of OpenAI's API read them."""

import re
from typing import Any

from lwm_trainer.sampling.settings import SettingsError

_PARAMETER = re.compile(r"[a-z_]+(\[\d+\])?(\.[a-z_]+)*(?= is|:)")
"""What the message of a SettingsError begins with."""


class ApiError(Exception):
    """A request is not answered: the status and the body say why."""

    def __init__(self, status: int, message: str, *, code: str, param: str | None = None, headers: dict[str, str] | None = None) -> None:
        """`param`: the wrong parameter of the request. `code`: what a program may act on."""
        super().__init__(message)
        self.status, self.param, self.code, self.headers = status, param, code, headers or {}

    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 and self.status != 429 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def wrong_value(error: SettingsError) -> ApiError:
    """A setting that the model's libraries refused."""
    match = _PARAMETER.match(str(error))
    return ApiError(400, str(error), code="invalid_value", param=match[0] if match else None)


def too_long(prompt: int, max_tokens: int | None, context: int) -> ApiError:
    """The prompt, or the prompt with its answer, has no room in the context."""
    tokens = f"{prompt} tokens" if max_tokens is None else f"{prompt} tokens and max_tokens is {max_tokens}"
    fix = "shorten the messages" if prompt >= context else f"give max_tokens {context - prompt} or less, or shorten the messages"
    message = f"the prompt has {tokens}, but the context has room for {context} with the answer: {fix}"
    return ApiError(400, message, code="context_length_exceeded", param="messages" if max_tokens is None else "max_tokens")


def internal_error() -> ApiError:
    """Something failed that nobody foresaw."""
    return ApiError(500, "the server failed at this request; its log says where", code="internal_error")


def stopping() -> ApiError:
    """The process is about to end."""
    return ApiError(503, "the server is stopping: send the request again", code="server_stopping")
