"""Clips that are drawn while their clients do other things, and that are kept until they are fetched."""

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from starlette.concurrency import run_in_threadpool

from lwm_trainer.sampling.answer import Answer
from lwm_trainer.serving.engine_thread import report
from lwm_trainer.serving.errors import ApiError, internal_error
from lwm_trainer.serving.job import Job, Step
from lwm_trainer.serving.videos import VideoPlan, VideosRequest

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia

KEPT = 32
"""Clips that are kept, under way or drawn; of those that are drawn, the oldest goes first."""
PATIENCE = 10.0
"""Seconds of waiting for the engine at a time."""
MOST_LISTED = 100


@dataclass(slots=True)
class Clip:
    """A clip, from its request to its file."""

    video: VideosRequest
    plan: VideoPlan
    job: Job
    size: str
    seconds: str
    """The length of the whole clip, with what it begins with."""
    id: str = field(default_factory=lambda: f"video_{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    status: Literal["queued", "in_progress", "completed", "failed"] = "queued"
    progress: int = 0
    completed: int | None = None
    error: ApiError | None = None
    content: bytes = b""

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed")

    def body(self) -> dict[str, Any]:
        """As OpenAI's API shows it."""
        error = None if self.error is None else {"code": self.error.code, "message": str(self.error)}
        return {
            "id": self.id,
            "object": "video",
            "model": self.video.model,
            "prompt": self.video.prompt,
            "status": self.status,
            "progress": self.progress,
            "created_at": self.created,
            "completed_at": self.completed,
            "expires_at": None,
            "size": self.size,
            "seconds": self.seconds,
            "remixed_from_video_id": None,
            "error": error,
        }


class VideoJobs:
    """The clips of one server. Only its event loop may use it."""

    def __init__(self, media: "VisionMedia", frame_codes: int) -> None:
        """`frame_codes`: codes of a frame."""
        self.media, self._frame_codes = media, frame_codes
        self._clips: dict[str, Clip] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, video: VideosRequest, plan: VideoPlan, job: Job) -> Clip:
        """Draw a clip, whose job waits for the engine. Raises ApiError where as many as are kept are under way."""
        ended = [clip for clip in self._clips.values() if clip.ended]
        if len(self._clips) >= KEPT:
            if not ended:
                raise ApiError(429, f"{KEPT} clips are being drawn: try again later", code="queue_full", headers={"Retry-After": "10"})
            del self._clips[ended[0].id]
        side, rate = self.media.tokenizer.config.image_size, self.media.frames_per_second
        seconds = f"{(len(plan.given) + plan.frames) / rate:g}"
        clip = Clip(video, plan, job, f"{side}x{side}", seconds)
        self._clips[clip.id] = clip
        self._tasks[clip.id] = asyncio.create_task(self._draw(clip))
        self._tasks[clip.id].add_done_callback(lambda _: self._tasks.pop(clip.id, None))
        return clip

    def get(self, number: str) -> Clip:
        """The clip of this id. Raises ApiError."""
        if (clip := self._clips.get(number)) is None:
            raise ApiError(404, f"no clip has this id: the server keeps the last {KEPT}, until it ends", code="not_found", param="video_id")
        return clip

    def file(self, number: str) -> bytes:
        """The MP4 of a clip. Raises ApiError for one that is not drawn yet."""
        clip = self.get(number)
        if clip.status != "completed":
            raise ApiError(400, f"the clip is {clip.status}: wait until it is completed", code="video_not_ready", param="video_id")
        return clip.content

    def delete(self, number: str) -> dict[str, Any]:
        """Forget a clip; one that is being drawn is given up. Raises ApiError."""
        clip = self.get(number)
        clip.job.cancel()
        del self._clips[number]
        return {"id": number, "object": "video.deleted", "deleted": True}

    def listed(self, limit: int, after: str | None, *, newest_first: bool) -> dict[str, Any]:
        """A part of the clips, after the one of this id. Raises ApiError."""
        clips = list(self._clips.values())
        if newest_first:
            clips.reverse()
        if after is not None:
            clips = clips[clips.index(self.get(after)) + 1 :]
        part = [clip.body() for clip in clips[:limit]]
        ends = {"first_id": part[0]["id"], "last_id": part[-1]["id"]} if part else {"first_id": None, "last_id": None}
        return {"object": "list", "data": part, "has_more": len(clips) > limit, **ends}

    async def _draw(self, clip: Clip) -> None:
        """Follow the job of a clip, and make its file."""
        answer = Answer(self._frame_codes)
        most = clip.plan.request.settings.max_tokens
        try:
            async for event in clip.job.events(PATIENCE):
                if event is not None:
                    clip.status = "in_progress"
                if isinstance(event, Step):
                    for piece in event.pieces:
                        answer.add(piece)
                    clip.progress = 100 * answer.tokens // (most + 1)
            if not clip.job.cancelled:
                clip.content = await run_in_threadpool(self.media.mp4, [*clip.plan.given, *answer.frames])
                clip.status, clip.progress, clip.completed = "completed", 100, int(time.time())
        except ApiError as error:
            clip.status, clip.error = "failed", error
        except Exception as failure:
            report(failure)
            clip.status, clip.error = "failed", internal_error()


def list_options(query: Any) -> tuple[int, str | None, bool]:
    """`limit`, `after` and whether the newest come first, of a request's query. Raises ApiError."""
    for name in query:
        if name not in ("limit", "after", "order"):
            raise ApiError(400, f"{name}: this server does not know it: leave it out", code="unknown_parameter", param=name)
    limit = 0
    with suppress(ValueError):
        limit = int(query.get("limit", "20"))
    if not 1 <= limit <= MOST_LISTED:
        raise ApiError(400, f"limit: give a number from 1 to {MOST_LISTED}", code="invalid_value", param="limit")
    if (order := query.get("order", "desc")) not in ("asc", "desc"):
        raise ApiError(400, "order: give asc or desc", code="invalid_value", param="order")
    return limit, query.get("after"), order == "desc"
