"""`/v1/images/generations`: a text becomes pictures."""

import base64
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
from lwm_trainer.serving.chat_request import MOST_ANSWERS
from lwm_trainer.serving.drawing_request import DrawingRequest
from lwm_trainer.serving.errors import wrong_value
from lwm_trainer.serving.job import Job, Step
from lwm_trainer.serving.request_body import only

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia

PATIENCE = 10.0
"""Seconds of waiting for the engine at a time."""


class ImagesRequest(DrawingRequest):
    """What a client may say."""

    n: int = Field(1, ge=1, le=MOST_ANSWERS)
    response_format: Annotated[str, only("b64_json")] = "b64_json"
    output_format: Annotated[str, only("png")] = "png"
    stream: Annotated[bool, only(False)] = False
    user: str = ""


def image_requests(
    images: ImagesRequest, generator: Generator, media: "VisionMedia", template: str, filters: Filters, model: str, rows: int
) -> list[Request]:
    """A request for each picture; `template` is the text of the prompt around `{prompt}`. Raises ApiError."""
    images.require_possible(media, model, rows)
    vocabulary = generator.vocabulary
    settings = Settings(
        max_tokens=vocabulary.grammar.frame_tokens + len(vocabulary.grammar.closing),
        vision=images.filters(filters),
        guidance=images.guidance,
        max_frames=1,
        only_vision=True,
    )
    seed = images.seed_or_random()
    try:
        prompt = vocabulary.prompt(template.replace("{prompt}", images.prompt), opened=[])
        requests = [Request(prompt, replace(settings, seed=(seed + number) % (MAX_SEED + 1))) for number in range(images.n)]
        generator.check(requests[0])
    except SettingsError as error:
        raise wrong_value(error) from error
    return requests


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
