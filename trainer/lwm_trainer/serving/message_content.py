"""Messages of a request: text, pictures and clips, and the content of the prompt that they become."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lwm_trainer.sampling.generator import Generator
from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.recently_used import RecentlyUsed
from lwm_trainer.serving.request_body import Fields, only
from lwm_trainer.vision.media.sampling import Sampling

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import Codes, VisionMedia

SpokenAnswers = RecentlyUsed[str, list[int]]
"""The tokens of answers by their text. A client sends an answer back as text, which may be other tokens than those that were drawn."""


class TextPart(Fields):
    """Text."""

    type: Literal["text"]
    text: str


class ImageUrl(Fields):
    """Where a picture is; `detail` is of no effect, because every picture is one frame."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Fields):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


class VideoUrl(Fields):
    """Where a clip is, and which of its frames are taken."""

    url: str
    fps: float | None = Field(None, gt=0)
    max_frames: int | None = Field(None, ge=1)


class VideoPart(Fields):
    """A clip."""

    type: Literal["video_url"]
    video_url: VideoUrl


Part = Annotated[TextPart | ImagePart | VideoPart, Field(discriminator="type")]


class Message(Fields):
    """A turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]
    # Clients send an answer back as they got it, with fields that are empty.
    refusal: Annotated[str, only("")] = ""
    annotations: Annotated[list[Any] | None, only([])] = None
    tool_calls: Annotated[list[Any] | None, only([])] = None


def conversation(
    messages: Sequence[Message], generator: Generator, spoken: SpokenAnswers, media: "VisionMedia | None"
) -> list[Mapping[str, Any]]:
    """The messages as `Conversations` reads them: codes for pictures and clips, and tokens for answers of this server.

    Raises ApiError, which names the part.
    """
    read: list[Mapping[str, Any]] = []
    # Frames that still have room, so that many clips cost no more than one as long as the context.
    room = generator.context_length // max(generator.vocabulary.grammar.frame_tokens, 1)
    for number, message in enumerate(messages):
        role = "system" if message.role == "developer" else message.role
        parts = [TextPart(type="text", text=message.content)] if isinstance(message.content, str) else message.content
        texts = [part.text for part in parts if isinstance(part, TextPart)]
        if len(texts) == len(parts):
            text = "".join(texts)
            tokens = spoken.get(text) if role == "assistant" else None
            read.append({"role": role, "content": text, **({} if tokens is None else {"tokens": tokens})})
            continue
        name = f"messages[{number}].content"
        if media is None or role != "user":
            fix = "only a user's message may have pictures" if media is not None else "this server has no --vision-tokenizer: send text"
            raise ApiError(400, f"{name} has pictures: {fix}", code="invalid_value", param=name)
        content: list[str | Codes] = []
        for place, part in enumerate(parts):
            content.append(_content(part, f"{name}[{place}]", media, room))
            room -= 0 if isinstance(part, TextPart) else len(content[-1])
        read.append({"role": role, "content": content})
    return read


def _content(part: TextPart | ImagePart | VideoPart, name: str, media: "VisionMedia", most: int) -> "str | Codes":
    match part:
        case TextPart():
            return part.text
        case ImagePart():
            return media.picture(part.image_url.url, f"{name}.image_url.url")
        case VideoPart():
            sampling = Sampling(part.video_url.fps, part.video_url.max_frames)
            return media.clip(part.video_url.url, sampling, max(most, 0), f"{name}.video_url.url")
