"""The body of `/v1/chat/completions`: what it may say, and the prompt and settings that it becomes."""

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lwm_trainer.sampling.conversation import Conversations
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import MAX_SEED, Filters, Settings, SettingsError
from lwm_trainer.serving.errors import ApiError, too_long, wrong_value
from lwm_trainer.serving.message_content import Message, SpokenAnswers, conversation
from lwm_trainer.serving.request_body import Fields, given_fields, only

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia

MOST_ANSWERS, MOST_STOPS, MOST_TOP = 16, 16, 20
"""Limits of `n`, of `stop` and of `top_logprobs`."""


class StreamOptions(Fields):
    """What a stream has besides tokens."""

    include_usage: bool = False
    include_obfuscation: Annotated[bool, only(False)] = False


class ChatRequest(Fields):
    """What a client may say. `top_k` and `min_p` are known from other servers, and are no part of OpenAI's API."""

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int = Field(1, ge=1, le=MOST_ANSWERS)
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    min_p: float | None = Field(None, ge=0, le=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=MOST_TOP)
    # Of these, only the values that change nothing.
    frequency_penalty: Annotated[float, only(0)] = 0
    presence_penalty: Annotated[float, only(0)] = 0
    logit_bias: Annotated[dict[str, float] | None, only({})] = None
    tools: Annotated[list[Any] | None, only([])] = None
    tool_choice: Annotated[Any, only("none", "auto")] = "none"
    parallel_tool_calls: bool = True
    response_format: Annotated[dict[str, Any] | None, only({"type": "text"})] = None
    modalities: Annotated[list[str] | None, only(["text"], ["text", "image"], ["image", "text"])] = None
    service_tier: Annotated[str, only("auto", "default")] = "auto"
    store: Annotated[bool, only(False)] = False
    metadata: dict[str, str] | None = None
    user: str = ""
    safety_identifier: str = ""
    prompt_cache_key: str = ""


@dataclass(frozen=True, slots=True)
class ChatDefaults:
    """What holds where a request says nothing."""

    max_tokens: int
    text: Filters
    vision: Filters


def chat_requests(
    chat: ChatRequest,
    generator: Generator,
    conversations: Conversations,
    spoken: SpokenAnswers,
    media: "VisionMedia | None",
    defaults: ChatDefaults,
) -> list[Request]:
    """A request for each of the `n` answers. Raises ApiError before the model computes anything."""
    messages = conversation(chat.messages, generator, spoken, media)
    try:
        prompt = conversations.prompt(messages)
    except SettingsError as error:
        raise wrong_value(error) from error
    context = generator.context_length
    most = chat.max_tokens if chat.max_completion_tokens is None else chat.max_completion_tokens
    if prompt.length >= context or (most is not None and prompt.length + most > context):
        raise too_long(prompt.length, most, context)
    seed = secrets.randbelow(MAX_SEED + 1) if chat.seed is None else chat.seed
    settings = Settings(
        max_tokens=min(defaults.max_tokens, context - prompt.length) if most is None else most,
        text=replace(defaults.text, **given_fields(chat, "temperature", "top_p", "top_k", "min_p")),
        vision=defaults.vision,
        stop=(*conversations.stop, *_stops(chat)),
        stop_ids=(generator.vocabulary.end_id,),
        may_show="image" in (chat.modalities or ()),
    )
    requests = [Request(prompt, replace(settings, seed=(seed + number) % (MAX_SEED + 1))) for number in range(chat.n)]
    try:
        generator.check(requests[0])
    except SettingsError as error:
        raise wrong_value(error) from error
    return requests


def require_possible(chat: ChatRequest, model: str, *, draws: bool) -> None:
    """Raises ApiError where fields contradict each other, for another model, and for pictures where the server does not draw any."""
    require_model(chat.model, model)
    if "image" in (chat.modalities or ()) and not draws:
        message = "modalities: this server draws no pictures: start it with --vision-tokenizer"
        raise ApiError(400, message, code="invalid_value", param="modalities")
    if None not in (chat.max_tokens, chat.max_completion_tokens) and chat.max_tokens != chat.max_completion_tokens:
        raise ApiError(400, "max_tokens and max_completion_tokens differ: give one", code="invalid_value", param="max_tokens")
    if chat.top_logprobs and not chat.logprobs:
        raise ApiError(400, "top_logprobs needs logprobs: set it to true", code="invalid_value", param="top_logprobs")
    if len(_stops(chat)) > MOST_STOPS or not all(_stops(chat)):
        raise ApiError(400, f"stop: give at most {MOST_STOPS} texts that are not empty", code="invalid_value", param="stop")


def require_model(given: str, model: str) -> None:
    """Raises ApiError unless the request names the server's model."""
    if given != model:
        message = f"model is {given!r}, but this server has {model!r}: give that"
        raise ApiError(404, message, code="model_not_found", param="model")


def _stops(chat: ChatRequest) -> list[str]:
    return [chat.stop] if isinstance(chat.stop, str) else chat.stop or []
