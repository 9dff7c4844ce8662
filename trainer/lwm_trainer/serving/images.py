"""`/v1/images/generations`: a text becomes pictures."""

import base64
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.concurrency import run_in_threadpool

from lwm_trainer.sampling.answer import Answer
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.piece import Usage
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import MAX_SEED, Filters, Settings, SettingsError
from lwm_trainer.serving.chat_request import MOST_ANSWERS, require_model
from lwm_trainer.serving.errors import ApiError, wrong_value
from lwm_trainer.serving.job import Job, Step
from lwm_trainer.serving.request_body import Fields, only

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia

PATIENCE = 10.0
"""Seconds of waiting for the engine at a time."""


class ImagesRequest(Fields):
    """What a client may say. `seed` and what follows it are no part of OpenAI's API."""

    model: str
    prompt: str
    n: int = Field(1, ge=1, le=MOST_ANSWERS)
    size: str = "auto"
    response_format: Annotated[str, only("b64_json")] = "b64_json"
    output_format: Annotated[str, only("png")] = "png"
    stream: Annotated[bool, only(False)] = False
    user: str = ""
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    temperature: float | None = Field(None, ge=0)
    top_k: int | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, ge=0, le=1)
    guidance: float = Field(1.0, ge=0)


def image_requests(
    images: ImagesRequest, generator: Generator, media: "VisionMedia", template: str, filters: Filters, model: str, rows: int
) -> list[Request]:
    """A request for each picture; `template` is the text of the prompt around `{prompt}`. Raises ApiError."""
    require_model(images.model, model)
    require_size(images.size, media)
    require_guidance_possible(images.guidance, rows)
    given = {name: value for name in ("temperature", "top_k", "top_p", "min_p") if (value := getattr(images, name)) is not None}
    vocabulary = generator.vocabulary
    settings = Settings(
        max_tokens=vocabulary.grammar.frame_tokens + len(vocabulary.grammar.closing),
        vision=replace(filters, **given),
        guidance=images.guidance,
        max_frames=1,
        only_vision=True,
    )
    seed = secrets.randbelow(MAX_SEED + 1) if images.seed is None else images.seed
    try:
        prompt = vocabulary.prompt(template.replace("{prompt}", images.prompt), opened=[])
        requests = [Request(prompt, replace(settings, seed=(seed + number) % (MAX_SEED + 1))) for number in range(images.n)]
        generator.check(requests[0])
    except SettingsError as error:
        raise wrong_value(error) from error
    return requests


def require_size(size: str, media: "VisionMedia") -> None:
    """Raises ApiError for a size that the model's frames have not."""
    side = media.tokenizer.config.image_size
    if size not in ("auto", f"{side}x{side}"):
        message = f"size: pictures of this model have {side}x{side} pixels: give that or auto"
        raise ApiError(400, message, code="invalid_value", param="size")


def require_guidance_possible(guidance: float, rows: int) -> None:
    """Raises ApiError for guidance where the cache has no second row for it."""
    if guidance != 1 and rows < 2:
        message = "guidance needs two rows of the cache: start the server with --rows 2, or leave it out"
        raise ApiError(400, message, code="invalid_value", param="guidance")


async def draw_images(job: Job, generator: Generator, media: "VisionMedia") -> dict[str, Any]:
    """The answer with all pictures. Raises ApiError."""
    answers = [Answer(generator.vocabulary.grammar.frame) for _ in job.requests]
    usage: Usage | None = None
    async for event in job.events(PATIENCE):
        if isinstance(event, Step):
            usage = usage or event.usage
            for piece in event.pieces:
                answers[piece.request].add(piece)
    pictures = [await run_in_threadpool(media.png, answer.frames[0]) for answer in answers]
    made, prompt = sum(answer.tokens for answer in answers), 0 if usage is None else usage.prompt
    return {
        "created": int(time.time()),
        "data": [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures],
        "output_format": "png",
        "usage": {"input_tokens": prompt, "output_tokens": made, "total_tokens": prompt + made},
    }
