"""The answer of `/v1/chat/completions`: one object, or a stream of server-sent events."""

import json
import time
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from lwm_trainer.sampling.answer import Answer
from lwm_trainer.sampling.detokenizer import UNFINISHED
from lwm_trainer.sampling.piece import Piece, Usage
from lwm_trainer.sampling.vocabulary import Vocabulary
from lwm_trainer.serving.chat_request import ChatRequest
from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.job import Job, Prefill, Step
from lwm_trainer.serving.message_content import SpokenAnswers

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia

PATIENCE = 10.0
"""Seconds without a token after which a stream says that it lives: proxies cut what is silent for a minute."""


class Completion:
    """The answers of one job, put together from its steps."""

    def __init__(self, chat: ChatRequest, job: Job, vocabulary: Vocabulary, spoken: SpokenAnswers, media: "VisionMedia | None") -> None:
        """`media` draws the frames of answers; None: there are none."""
        self._chat, self._job, self._vocabulary, self._spoken, self._media = chat, job, vocabulary, spoken, media
        self._answers = [Answer(vocabulary.grammar.frame) for _ in job.requests]
        self._logprobs: list[list[dict[str, Any]]] = [[] for _ in job.requests]
        self._images: list[list[dict[str, Any]]] = [[] for _ in job.requests]
        """The frames of each answer; OpenAI's API has no place for them, other servers name it `images`."""
        self._usage: Usage | None = None
        self._about = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": chat.model}

    async def whole(self) -> dict[str, Any]:
        """All answers. Raises ApiError."""
        async for event in self._job.events(PATIENCE):
            if isinstance(event, Step):
                for piece in event.pieces:
                    self._add(piece, event.usage)
                    await self._draw(piece)
        choices = [
            {
                "index": number,
                "message": {
                    "role": "assistant",
                    "content": answer.text,
                    "refusal": None,
                    **({"images": self._images[number]} if self._images[number] else {}),
                },
                "logprobs": {"content": logprobs, "refusal": None} if self._chat.logprobs else None,
                "finish_reason": answer.reason,
            }
            for number, (answer, logprobs) in enumerate(zip(self._answers, self._logprobs, strict=True))
        ]
        return {**self._about, "object": "chat.completion", "choices": choices, "usage": self._tokens()}

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events. An error after the first of them is an event, too, because the status has been sent."""
        for number in range(len(self._answers)):
            yield self._chunk(number, {"role": "assistant", "content": ""})
        progress = "waiting"
        try:
            async for event in self._job.events(PATIENCE):
                if isinstance(event, Step):
                    for piece in event.pieces:
                        logprob = self._add(piece, event.usage)
                        image = await self._draw(piece)
                        for chunk in self._chunks(piece, logprob, image):
                            yield chunk
                elif isinstance(event, Prefill):
                    progress = f"prefill {100 * event.done // max(event.total, 1)} %"
                else:
                    yield f": {progress}\n\n".encode()
        except ApiError as error:
            yield _event(error.body())
            return
        if self._chat.stream_options.include_usage:
            yield _event({**self._about, "object": "chat.completion.chunk", "choices": [], "usage": self._tokens()})
        yield b"data: [DONE]\n\n"

    def _chunks(self, piece: Piece, logprob: dict[str, Any] | None, image: dict[str, Any] | None) -> list[bytes]:
        """The events of a token: its text, if it has any yet, the frame that it completes, and the end of the answer."""
        chunks = []
        if piece.text or logprob is not None:
            chunks.append(self._chunk(piece.request, {"content": piece.text}, logprob))
        if image is not None:
            chunks.append(self._chunk(piece.request, {"images": [image]}))
        if piece.reason is not None:
            chunks.append(self._chunk(piece.request, {}, reason=piece.reason))
        return chunks

    def _chunk(self, number: int, delta: dict[str, Any], logprob: dict[str, Any] | None = None, reason: str | None = None) -> bytes:
        logprobs = None if logprob is None else {"content": [logprob], "refusal": None}
        choice = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return _event({**self._about, "object": "chat.completion.chunk", "choices": [choice]})

    def _add(self, piece: Piece, usage: Usage) -> dict[str, Any] | None:
        """Add a token; returns its log-probability where it is wanted."""
        answer = self._answers[piece.request]
        answer.add(piece)
        # Later answers of a job share the first one's prompt, which was computed once.
        self._usage = self._usage or usage
        if piece.reason is not None and not answer.ends_with_stop_text and not answer.frames:
            self._spoken.put(answer.text, answer.text_tokens)
        if not self._chat.logprobs:
            return None
        top = [self._named(token, value) for token, _, value in piece.top[: self._chat.top_logprobs]]
        logprob = {**self._named(piece.token, piece.log_probability), "top_logprobs": top}
        self._logprobs[piece.request].append(logprob)
        return logprob

    async def _draw(self, piece: Piece) -> dict[str, Any] | None:
        """The frame that the token completes, as a picture; None where it completes none."""
        grammar = self._vocabulary.grammar
        if self._media is None or not piece.vision or piece.token < grammar.codes:
            return None
        png = await run_in_threadpool(self._media.png, self._answers[piece.request].frames[-1])
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png).decode()}"}}
        self._images[piece.request].append(image)
        return image

    def _named(self, token: int, log_probability: float) -> dict[str, Any]:
        """A token as text; its bytes are not known where they are only a part of a character."""
        text = self._vocabulary.decode([token])
        return {"token": text, "logprob": log_probability, "bytes": None if UNFINISHED in text else list(text.encode())}

    def _tokens(self) -> dict[str, Any]:
        prompt, cached = self._usage or (0, 0)
        made = sum(answer.tokens for answer in self._answers)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
