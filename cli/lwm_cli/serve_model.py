"""What `lwm serve` does: a model over HTTP, as clients of OpenAI's API expect it."""

import os
import signal
import sys
from pathlib import Path
from typing import Any, Literal, NoReturn

import click
import jax

from lwm_cli.generation_options import CACHE, take_filters, take_generator, take_media
from lwm_trainer import config
from lwm_trainer.config import ExitCode
from lwm_trainer.parallel import distributed
from lwm_trainer.parallel.broadcast import Broadcast
from lwm_trainer.sampling.conversation import Template, make_conversations
from lwm_trainer.sampling.settings import Settings
from lwm_trainer.serving.access import VARIABLE, is_local, read_key
from lwm_trainer.serving.application import Service, make_application
from lwm_trainer.serving.chat_request import ChatDefaults
from lwm_trainer.serving.engine_thread import EngineThread
from lwm_trainer.serving.server import listen, serve
from lwm_trainer.serving.several_hosts import LeadingGenerator, follow
from lwm_trainer.serving.warm_up import warm_up

MEBIBYTE, GIBIBYTE = 2**20, 2**30
SEQUENCE = "serve"
"""The messages of host 0 to the others."""
Platform = Literal["cpu", "gpu", "tpu"]


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
    host_cache: int,
    queue: int,
    max_body: int,
    grace: int,
    hosts: int,
    host_index: int | None,
    coordinator: str | None,
    platform: Platform | None,
    devices_per_host: int | None,
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
    follows = hosts > 1 and join_hosts(hosts, host_index, coordinator, platform, devices_per_host) > 0
    listening = None if follows else listen(host, port)
    name = model_name or Path(options["checkpoint"].rstrip("/")).name
    media = take_media(options, "lwm serve", needed_by=None if media_folder is None else "--media-folder")
    frames = None if media is None else media.frames
    generator = take_generator(options, reserve=True, frames=frames, rows=rows, host_bytes=host_cache * GIBIBYTE)
    if media is not None:
        media.require_same_frames(generator.vocabulary)
    conversations = make_conversations(generator.vocabulary, template)
    warm_up(generator)
    if listening is None:
        follow(generator, Broadcast(SEQUENCE), rows)
        jax.distributed.shutdown()
        return 0
    leading = LeadingGenerator(generator, Broadcast(SEQUENCE), give_up) if hosts > 1 else None
    engine = EngineThread(leading or generator, queue_length=queue, rows=rows)
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
    if leading is not None:
        leading.end()
        jax.distributed.shutdown()
    return 0


def give_up(reason: TimeoutError) -> NoReturn:
    """End this process at once, because its hosts do no longer compute the same; JAX ends the others, which wait for it."""
    print(f"lwm serve: a step failed on host 0, and {reason}: the server ends, start it again on all hosts", file=sys.stderr, flush=True)
    os._exit(ExitCode.UNCAUGHT_EXCEPTION)


def join_hosts(hosts: int, index: int | None, coordinator: str | None, platform: Platform | None, devices: int | None) -> int:
    """Meet the other hosts of the model; returns this one's number. Raises UsageError, and the errors of `distributed.join_gang`.

    A host that follows ends when host 0 says so, after the answers that have begun, and not by SIGTERM.
    """
    options = {"--host-index": index, "--coordinator": coordinator, "--platform": platform, "--devices-per-host": devices}
    if missing := [name for name, value in options.items() if value is None]:
        raise click.UsageError(f"--hosts {hosts} needs {', '.join(missing)}: give the same on every host, but each its --host-index")
    if index is None or coordinator is None or platform is None or devices is None or index >= hosts:
        raise click.UsageError(f"--host-index {index}: hosts are numbered from 0 to {hosts - 1}")
    name, colon, port = coordinator.rpartition(":")
    if not colon or not name or not port.isdecimal():
        raise click.UsageError(f"--coordinator {coordinator}: write HOST:PORT, such as lwm-serve-0.lwm-serve-hosts:8476")
    first, _, service = name.partition(".")
    job = first.removesuffix("-0")  # of an Indexed Job, from whose names libtpu finds the other hosts
    gang = config.Gang(job=job, service=service, hosts=hosts, devices_per_host=devices, platform=platform, coordinator=coordinator)
    distributed.join_gang(gang, index, str(CACHE / "generation"))
    if index > 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return index
