"""The body of `/v1/videos`: what it may say, and the prompt and settings that it becomes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings, SettingsError
from lwm_trainer.serving.drawing_request import DrawingRequest
from lwm_trainer.serving.errors import ApiError, wrong_value
from lwm_trainer.serving.form_body import Upload
from lwm_trainer.serving.request_body import Fields
from lwm_trainer.vision.media.sampling import Sampling

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import Codes, VisionMedia

NUMBERS = frozenset({"frames", "seed", "temperature", "top_k", "top_p", "min_p", "guidance"})
"""The fields that are numbers. `seconds` is a text in OpenAI's API."""
DEFAULT_SECONDS = "4"
REFERENCE = "input_reference"


class InputReference(Fields):
    """What the clip begins with, as a data URL; a clip may be a path below the server's folder. `video_url` is no part of OpenAI's API."""

    image_url: str | None = None
    video_url: str | None = None


class VideosRequest(DrawingRequest):
    """What a client may say. `frames` is no part of OpenAI's API."""

    seconds: str | None = None
    input_reference: InputReference | None = None
    frames: int | None = Field(None, ge=1)


class VideoPlan(NamedTuple):
    """A clip that can be drawn."""

    request: Request
    given: "Codes"
    """The frames that it begins with."""
    frames: int
    """Those that are drawn."""


def only_reference(files: Mapping[str, Upload]) -> Upload | None:
    """The file that the clip begins with; None where there is none. Raises ApiError for another file."""
    for name in files:
        if name != REFERENCE:
            raise ApiError(400, f"{name}: this server does not know it: leave it out", code="unknown_parameter", param=name)
    return files.get(REFERENCE)


def plan_video(
    video: VideosRequest,
    upload: Upload | None,
    generator: Generator,
    media: "VisionMedia",
    template: str,
    filters: Filters,
    model: str,
    rows: int,
) -> VideoPlan:
    """The request of a clip; `template` is the text of the prompt around `{prompt}`. Raises ApiError."""
    video.require_possible(media, model, rows)
    frames = _frames(video, media.frames_per_second)
    vocabulary = generator.vocabulary
    room = generator.context_length // vocabulary.grammar.frame_tokens
    given = _reference(video.input_reference, upload, media, max(room - frames, 0))
    settings = Settings(
        max_tokens=frames * vocabulary.grammar.frame_tokens + len(vocabulary.grammar.closing),
        vision=video.filters(filters),
        guidance=video.guidance,
        min_frames=len(given) + frames,
        max_frames=len(given) + frames,
        only_vision=True,
        seed=video.seed_or_random(),
    )
    try:
        request = Request(vocabulary.prompt(template.replace("{prompt}", video.prompt), opened=given), settings)
        tokens = request.prompt.length + settings.max_tokens
        if tokens > generator.context_length:
            name = "seconds" if video.frames is None else "frames"
            message = (
                f"{name}: prompt and {frames} frames are {tokens} tokens, but the context has room for {generator.context_length}: less"
            )
            raise ApiError(400, message, code="context_length_exceeded", param=name)
        generator.check(request)
    except SettingsError as error:
        raise wrong_value(error) from error
    return VideoPlan(request, given, frames)


def _frames(video: VideosRequest, rate: int) -> int:
    """How many frames are to be drawn. Raises ApiError."""
    if video.frames is not None:
        if video.seconds is not None:
            raise ApiError(400, "seconds and frames say the same: give one", code="invalid_value", param="seconds")
        return video.frames
    try:
        frames = round(float(video.seconds or DEFAULT_SECONDS) * rate)
        if frames < 1:
            raise ValueError
    except (ValueError, OverflowError) as error:
        message = f'seconds: give a number above 0 as text, such as "4", for at least one of the {rate} frames of a second'
        raise ApiError(400, message, code="invalid_value", param="seconds") from error
    return frames


def _reference(reference: InputReference | None, upload: Upload | None, media: "VisionMedia", most: int) -> "Codes":
    """The frames that the clip begins with. Raises ApiError."""
    urls = [] if reference is None else [url for url in (reference.image_url, reference.video_url) if url is not None]
    if (reference is not None or upload is not None) and len(urls) + (upload is not None) != 1:
        message = f"{REFERENCE}: give one picture or clip: a file, image_url or video_url"
        raise ApiError(400, message, code="invalid_value", param=REFERENCE)
    if upload is not None:
        picture = upload.kind.startswith("image/")
        return media.uploaded(upload.content, Sampling(max_frames=1) if picture else Sampling(), 1 if picture else most, REFERENCE)
    if reference is None:
        return []
    if reference.image_url is not None:
        return media.picture(reference.image_url, f"{REFERENCE}.image_url")
    return media.clip(urls[0], Sampling(), most, f"{REFERENCE}.video_url")
