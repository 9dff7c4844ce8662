"""`lwm serve CHECKPOINT`: a model over HTTP, as clients of OpenAI's API expect it. In a pod: `python -m lwm_cli.serve`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from lwm_cli.commands import run
from lwm_cli.failures import report_failures
from lwm_cli.generation_options import checkpoint_options, filter_options, media_options, take_filters, take_generator, take_media
from lwm_trainer.sampling.conversation import Template, make_conversations
from lwm_trainer.sampling.settings import Settings
from lwm_trainer.serving.access import VARIABLE, is_local, read_key
from lwm_trainer.serving.application import Service, make_application
from lwm_trainer.serving.chat_request import ChatDefaults
from lwm_trainer.serving.engine_thread import EngineThread
from lwm_trainer.serving.server import listen, serve
from lwm_trainer.serving.warm_up import warm_up

MEBIBYTE = 2**20

HELP = f"""Answer HTTP requests with the model in CHECKPOINT, which is what `lwm sample` takes.

Clients of OpenAI's API use http://HOST:PORT/v1. A key that they must send comes from the variable {VARIABLE} or from --api-key-file.
SIGTERM and Ctrl-C end the server, after the answers that have begun."""


@click.command("serve", help=HELP)
@checkpoint_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others than this machine's need a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one.")
@click.option("--api-key-file", type=click.Path(path_type=Path, dir_okay=False), help="File with the key that clients must send.")
@click.option("--model-name", metavar="NAME", help="The model's name for clients. Default: the last part of CHECKPOINT.")
@click.option("--template", type=click.Choice(["lwm", "tokenizer"]), default="lwm", show_default=True, help="Format of conversations.")
@click.option("--max-tokens", type=int, default=512, show_default=True, help="Tokens of an answer where a request does not say.")
@filter_options
@media_options
@click.option(
    "--media-folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder whose clips requests may name by paths. Default: none.",
)
@click.option("--image-prompt", metavar="TEXT", default="{prompt}", show_default=True, help="The prompt of a picture around its text.")
@click.option("--rows", type=click.IntRange(1), default=1, show_default=True, help="Answers computed together; each has its own cache.")
@click.option("--queue", type=click.IntRange(1), default=16, show_default=True, help="Requests that may wait; more get status 429.")
@click.option("--max-body", type=click.IntRange(1), default=64, show_default=True, metavar="MIB", help="Size of a request, at most.")
@click.option("--grace", type=click.IntRange(0), default=20, show_default=True, metavar="S", help="Seconds for answers after SIGTERM.")
@report_failures
def command(
    host: str,
    port: int,
    api_key_file: Path | None,
    model_name: str | None,
    template: Template,
    max_tokens: int,
    media_folder: Path | None,
    image_prompt: str,
    rows: int,
    queue: int,
    max_body: int,
    grace: int,
    **options: Any,
) -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until `serve` handles it: nothing has begun
    if "{prompt}" not in image_prompt:
        raise click.UsageError(f"--image-prompt {image_prompt}: has no {{prompt}}: write it where the text of a request belongs")
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
        defaults=defaults,
        key=key,
        max_body=max_body * MEBIBYTE,
    )
    address, number = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    print(f"lwm serve: {name}, {generator.context_length} tokens of context, http://{shown}:{number}/v1", flush=True)
    serve(make_application(service), engine, listening, grace)
    return 0


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    return run(command, "lwm serve", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
