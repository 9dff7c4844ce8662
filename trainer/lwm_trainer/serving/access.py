"""Who may use the server: one key, which is compared in constant time."""

import hmac
from ipaddress import ip_address
from pathlib import Path

from starlette.requests import Request

from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.serving.errors import ApiError

VARIABLE = "LWM_API_KEY"
"""Holds the key; a command line would show it to every process of the machine."""


def is_local(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_key(file: Path | None, variable: str | None) -> str | None:
    """The key in a file, or that of the variable; None for neither. Raises WrongArgumentError."""
    if file is None:
        key, name = variable, VARIABLE
    else:
        try:
            key, name = file.read_text(encoding="utf-8").strip(), f"--api-key-file {file}"
        except (OSError, UnicodeDecodeError) as error:
            raise WrongArgumentError(f"--api-key-file {file}: cannot be read: {getattr(error, 'strerror', 'not UTF-8')}") from error
    if key is not None and (not key or not key.isascii() or not key.isprintable() or " " in key):
        raise WrongArgumentError(f"{name}: a key is one line of ASCII letters, digits and signs without spaces: write one")
    return key


def require_key(request: Request, key: str | None) -> None:
    """Raises ApiError unless the request has the key; where the server has none, unless it was sent to this machine by name.

    A page of another site can give its own name the address of this machine, and would have the browser's leave to read answers then.
    """
    if key is None:
        if not is_local(request.url.hostname or ""):
            message = f"without a key the server answers to localhost only, not to {request.url.hostname}: set {VARIABLE}"
            raise ApiError(403, message, code="wrong_host")
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.encode()):
        message = "the API key is missing or wrong: send the header Authorization: Bearer KEY"
        raise ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def require_same_site(request: Request) -> None:
    """Raises ApiError for what a page of another site has a browser send: forms need no leave of this server, unlike JSON."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise ApiError(403, "forms of pages of other sites are refused: send JSON", code="wrong_origin")
