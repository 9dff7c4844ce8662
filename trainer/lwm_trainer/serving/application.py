"""The routes, and what all of them share: keys, errors of one shape, and clients that go away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lwm_trainer.sampling.conversation import Conversations
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.serving.access import require_key
from lwm_trainer.serving.chat_request import MOST_TOP, ChatDefaults, ChatRequest, chat_requests, require_possible
from lwm_trainer.serving.chat_response import Completion
from lwm_trainer.serving.engine_thread import EngineThread, report
from lwm_trainer.serving.errors import ApiError, internal_error
from lwm_trainer.serving.form_body import read_fields
from lwm_trainer.serving.images import ImagesRequest, draw_images, image_requests
from lwm_trainer.serving.job import Job
from lwm_trainer.serving.message_content import SpokenAnswers
from lwm_trainer.serving.metrics import ServingMetrics
from lwm_trainer.serving.request_body import parse_body, read_body
from lwm_trainer.serving.video_jobs import VideoJobs, list_options
from lwm_trainer.serving.videos import NUMBERS, VideosRequest, only_reference, plan_video
from lwm_trainer.serving.web_page import web_page

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia

KEPT_ANSWERS = 256
"""Answers whose tokens are kept, so that the next turn of a conversation begins as the cache does."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the routes answer with."""

    name: str
    """The model's name for clients."""
    generator: Generator
    """Used by the engine's thread; other threads only check requests with it."""
    engine: EngineThread
    conversations: Conversations
    media: "VisionMedia | None"
    """Reads and draws pictures; None: only text is answered."""
    image_prompt: str
    """The text before a picture that is drawn, around `{prompt}`."""
    video_prompt: str
    """The same before a clip."""
    defaults: ChatDefaults
    key: str | None
    max_body: int
    """Bytes of a request's body, at most."""


def make_application(service: Service) -> Starlette:
    """The ASGI application."""
    begun, generator, media = int(time.time()), service.generator, service.media
    spoken = SpokenAnswers(KEPT_ANSWERS)

    async def models(_: Request) -> Response:
        about = {"context_length": generator.context_length, "modalities": ["text"] if media is None else ["text", "image"]}
        model = {"id": service.name, "object": "model", "created": begun, "owned_by": "lwm", **about}
        return JSONResponse({"object": "list", "data": [model]})

    async def chat_completions(request: Request) -> Response:
        with service.engine.preparing():
            chat = parse_body(await read_body(request, service.max_body), ChatRequest)
            require_possible(chat, service.name, draws=media is not None)
            # In a thread, because a long text takes seconds to tokenize, and a clip to encode.
            requests = await run_in_threadpool(chat_requests, chat, generator, service.conversations, spoken, media, service.defaults)
        # All or none: each number would be a program of its own, which a client could have compiled.
        job = Job(requests, MOST_TOP if chat.top_logprobs else 0)
        completion = Completion(chat, job, generator.vocabulary, spoken, media)
        service.engine.submit(job)
        if chat.stream:
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(_cancelling(job, completion.stream()), media_type="text/event-stream", headers=headers)
        return await _unless_gone(request, job, completion.whole())

    async def images_generations(request: Request) -> Response:
        with service.engine.preparing():
            images = parse_body(await read_body(request, service.max_body), ImagesRequest)
            if media is None:
                raise ApiError(404, "this server draws no pictures: start it with --vision-tokenizer", code="not_found")
            template, filters = service.image_prompt, service.defaults.vision
            requests = image_requests(images, generator, media, template, filters, service.name, service.engine.rows)
        job = Job(requests, 0)
        service.engine.submit(job)
        return await _unless_gone(request, job, draw_images(job, generator, media))

    clips = None if media is None else VideoJobs(media, generator.vocabulary.grammar.frame)

    def require_clips() -> VideoJobs:
        if clips is None:
            raise ApiError(404, "this server draws no clips: start it with --vision-tokenizer", code="not_found")
        return clips

    async def videos_create(request: Request) -> Response:
        with service.engine.preparing():
            jobs = require_clips()
            body, files = await read_fields(request, service.max_body, NUMBERS)
            video, upload = parse_body(body, VideosRequest), only_reference(files)
            template, filters, rows = service.video_prompt, service.defaults.vision, service.engine.rows
            plan = await run_in_threadpool(plan_video, video, upload, generator, jobs.media, template, filters, service.name, rows)
        job = Job([plan.request], 0)
        clip = jobs.begin(video, plan, job)
        try:
            service.engine.submit(job)
        except ApiError:
            jobs.delete(clip.id)
            raise
        return JSONResponse(clip.body())

    async def videos_list(request: Request) -> Response:
        limit, after, newest_first = list_options(request.query_params)
        return JSONResponse(require_clips().listed(limit, after, newest_first=newest_first))

    async def videos_retrieve(request: Request) -> Response:
        return JSONResponse(require_clips().get(request.path_params["id"]).body())

    async def videos_delete(request: Request) -> Response:
        return JSONResponse(require_clips().delete(request.path_params["id"]))

    async def videos_content(request: Request) -> Response:
        return Response(require_clips().file(request.path_params["id"]), media_type="video/mp4")

    async def health(_: Request) -> Response:
        healthy = service.engine.healthy
        return JSONResponse({"status": "ok" if healthy else "stopping"}, 200 if healthy else 503)

    def with_key(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            require_key(request, service.key)
            return await endpoint(request)

        return checked

    async def metrics(_: Request) -> Response:
        return Response(service.engine.metrics.text(), media_type="text/plain; version=0.0.4")

    def route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        return Route(path, _with_errors(endpoint, path, service.engine.metrics), methods=[method])

    routes = [
        route("/v1/models", with_key(models)),
        route("/v1/chat/completions", with_key(chat_completions), "POST"),
        route("/v1/images/generations", with_key(images_generations), "POST"),
        route("/v1/videos", with_key(videos_create), "POST"),
        route("/v1/videos", with_key(videos_list)),
        route("/v1/videos/{id}", with_key(videos_retrieve)),
        route("/v1/videos/{id}", with_key(videos_delete), "DELETE"),
        route("/v1/videos/{id}/content", with_key(videos_content)),
        route("/health", health),
        route("/metrics", metrics),
        route("/", web_page),
        route("/page/{name}", web_page),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


def _with_errors(endpoint: Endpoint, route: str, metrics: ServingMetrics) -> Endpoint:
    """Errors become bodies; of one that nobody foresaw, the log says where it came up and the client that it did."""

    async def counted(request: Request) -> Response:
        response = await answered(request)
        metrics.requests.labels(route, response.status_code).inc()
        return response

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ApiError as error:
            return _error(error)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except Exception as failure:
            report(failure)
            return _error(internal_error())

    return counted


def _error(error: ApiError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router refuses: paths that do not exist, and methods that they do not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{request.method} {request.url.path} does not exist" if status in (404, 405) else "refused"
    return _error(ApiError(status, message, code="not_found"))


async def _cancelling(job: Job, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events; when the client goes away, this is closed and so is the job."""
    try:
        async for event in events:
            yield event
    finally:
        job.cancel()


async def _unless_gone(request: Request, job: Job, whole: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    """The whole answer, given up as soon as the client closes its connection."""
    answer = asyncio.ensure_future(whole)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(await answer) if answer.done() else Response(status_code=499)
    finally:
        job.cancel()
        for task in (answer, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, ApiError):
                await task


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
