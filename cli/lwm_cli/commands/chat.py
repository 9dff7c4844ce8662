"""`lwm chat CHECKPOINT`: a conversation in the terminal."""

from typing import Any

import click

from lwm_cli.commands.failures import report_failures
from lwm_cli.commands.generation_options import checkpoint_options, draft_option, filter_options, media_options
from lwm_cli.commands.run import needs

HELP = """Talk with the model in CHECKPOINT, which is what `lwm sample` takes.

Type a message and Enter. An empty line is skipped, /new forgets the conversation, Ctrl-C ends an answer, Ctrl-D ends the talk.
Messages may also come from a pipe, one a line. Pictures and clips of --show belong to the first message of each conversation."""


@click.command("chat", help=HELP, short_help="Talk with a trained model.")
@checkpoint_options
@draft_option
@click.option("--template", type=click.Choice(["lwm", "tokenizer"]), default="lwm", show_default=True, help="Format of conversations.")
@click.option("--system", metavar="TEXT", help="The system's message. Default: that of the template.")
@click.option("--max-tokens", type=int, default=512, show_default=True, help="Tokens of an answer, at most.")
@filter_options
@media_options
@click.option("--show", multiple=True, metavar="FILE", help="A picture or clip to talk about. May be given again.")
@click.option("--question-last", is_flag=True, help="The first message comes after them. Default: before, as LWM's models were trained.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed and messages get the same answers.")
@needs("local", "jax", "orbax")
@report_failures
def chat(**options: Any) -> int:
    from lwm_cli.chat import chat_with_checkpoint

    return chat_with_checkpoint(**options)
