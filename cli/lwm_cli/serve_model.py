"""What `lwm serve` does: a model over HTTP, as clients of OpenAI's API expect it."""

import os
import signal
from pathlib import Path
from typing import Any

import click

from lwm_cli.generation_options import take_filters, take_generator, take_media
from lwm_trainer.sampling.conversation import Template, make_conversations
from lwm_trainer.sampling.settings import Settings
from lwm_trainer.serving.access import VARIABLE, is_local, read_key
from lwm_trainer.serving.application import Service, make_application
from lwm_trainer.serving.chat_request import ChatDefaults
from lwm_trainer.serving.engine_thread import EngineThread
from lwm_trainer.serving.server import listen, serve
from lwm_trainer.serving.warm_up import warm_up

MEBIBYTE = 2**20


def serve_checkpoint(
    host: str,
    port: int,
    api_key_file: Path | None,
    model_name: str | None,
    template: Template,
    max_tokens: int,
    media_folder: Path | None,
    image_prompt: str,
    video_prompt: str,
    rows: int,
    queue: int,
    max_body: int,
    grace: int,
    **options: Any,
) -> int:
    """Serve the model in the checkpoint of the options until SIGTERM. Returns the exit code. Raises UsageError, and what loading raises."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until `serve` handles it: nothing has begun
    for option, around in (("--image-prompt", image_prompt), ("--video-prompt", video_prompt)):
        if "{prompt}" not in around:
            raise click.UsageError(f"{option} {around}: has no {{prompt}}: write it where the text of a request belongs")
    key = read_key(api_key_file, os.environ.get(VARIABLE))
    if key is None and not is_local(host):
        raise click.UsageError(f"--host {host}: others could use the model: set {VARIABLE}, or give --api-key-file FILE")
    defaults = ChatDefaults(max_tokens=max_tokens, text=take_filters(options), vision=take_filters(options, "vision_"))
    Settings(max_tokens=max_tokens, text=defaults.text, vision=defaults.vision).check()
    listening = listen(host, port)
    name = model_name or Path(options["checkpoint"].rstrip("/")).name
    media = take_media(options, "lwm serve", needed_by=None if media_folder is None else "--media-folder")
    generator = take_generator(options, reserve=True, frames=None if media is None else media.frames, rows=rows)
    if media is not None:
        media.require_same_frames(generator.vocabulary)
    conversations = make_conversations(generator.vocabulary, template)
    warm_up(generator)
    engine = EngineThread(generator, queue_length=queue, rows=rows)
    service = Service(
        name=name,
        generator=generator,
        engine=engine,
        conversations=conversations,
        media=None if media is None else media.for_requests(media_folder),
        image_prompt=image_prompt,
        video_prompt=video_prompt,
        defaults=defaults,
        key=key,
        max_body=max_body * MEBIBYTE,
    )
    address, number = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    print(f"lwm serve: {name}, {generator.context_length} tokens of context, http://{shown}:{number}/v1", flush=True)
    serve(make_application(service), engine, listening, grace)
    return 0
