"""The page that talks with the model: files of this package, and headers under which a browser loads nothing else."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from lwm_trainer.serving.errors import ApiError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
KINDS = {"index.html": "text/html", "style.css": "text/css"} | dict.fromkeys(["talk.js", "completion.js", "drawing.js"], "text/javascript")
"""All files, with their types."""


async def web_page(request: Request) -> Response:
    """A file of the page. Raises ApiError for another."""
    name = request.path_params.get("name", "index.html")
    if name not in KINDS:
        raise ApiError(404, f"GET {request.url.path} does not exist", code="not_found")
    content = (files("lwm_trainer.serving") / "page" / name).read_bytes()
    return Response(content, media_type=KINDS[name], headers=HEADERS)
