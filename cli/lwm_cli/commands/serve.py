"""`lwm serve CHECKPOINT`: a model over HTTP."""

from pathlib import Path
from typing import Any

import click

from lwm_cli.commands.failures import report_failures
from lwm_cli.commands.generation_options import checkpoint_options, draft_option, filter_options, media_options
from lwm_cli.commands.run import needs

HELP = """Answer HTTP requests with the model in CHECKPOINT, which is what `lwm sample` takes.

Clients of OpenAI's API use http://HOST:PORT/v1. A key that they must send comes from the variable LWM_API_KEY or from --api-key-file.
SIGTERM and Ctrl-C end the server, after the answers that have begun."""


@click.command("serve", help=HELP, short_help="A trained model over HTTP, for clients of OpenAI's API.")
@checkpoint_options
@draft_option
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
@click.option("--video-prompt", metavar="TEXT", default="{prompt}", show_default=True, help="The same for a clip.")
@click.option("--rows", type=click.IntRange(1), default=1, show_default=True, help="Answers computed together; each has its own cache.")
@click.option(
    "--host-cache",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="GIB",
    help="Memory of each host for conversations that lose their rows to others, which go on from there.",
)
@click.option("--queue", type=click.IntRange(1), default=16, show_default=True, help="Requests that may wait; more get status 429.")
@click.option("--max-body", type=click.IntRange(1), default=64, show_default=True, metavar="MIB", help="Size of a request, at most.")
@click.option("--grace", type=click.IntRange(0), default=20, show_default=True, metavar="S", help="Seconds for answers after SIGTERM.")
@click.option("--hosts", type=click.IntRange(1), default=1, show_default=True, help="Hosts of the model; the command runs on each.")
@click.option("--host-index", type=click.IntRange(0), envvar="JOB_COMPLETION_INDEX", help="This one's number. [env: JOB_COMPLETION_INDEX]")
@click.option("--coordinator", metavar="HOST:PORT", help="Where the hosts meet: host 0, as all of them reach it, and a free port of it.")
@click.option("--platform", type=click.Choice(["cpu", "gpu", "tpu"]), help="What each of several hosts has.")
@click.option("--devices-per-host", type=click.IntRange(1), help="Devices of each of several hosts.")
@needs("serve", "jax", "orbax", "python_multipart", "starlette", "uvicorn")
@report_failures
def serve(**options: Any) -> int:
    from lwm_cli.serve_model import serve_checkpoint

    return serve_checkpoint(**options)
