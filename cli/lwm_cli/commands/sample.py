"""`lwm sample CHECKPOINT`: what a model writes after a prompt."""

from pathlib import Path
from typing import Any

import click

from lwm_cli.commands.failures import report_failures
from lwm_cli.commands.generation_options import checkpoint_options, draft_option, filter_options, media_options
from lwm_cli.commands.run import needs

HELP = """Continue a prompt with the model in CHECKPOINT.

CHECKPOINT is a folder of `lwm train`, a folder of checkpoints or one commit of any training (a path or gs://…), what `lwm convert` wrote,
or a folder of a Hugging Face Llama. The answer goes to standard output as it comes, figures go to standard error."""


@click.command("sample", help=HELP, short_help="What a trained model writes after a prompt, text or pictures.")
@checkpoint_options
@draft_option
@click.option("--prompt", help="The text to continue.")
@click.option("--prompt-file", type=click.Path(path_type=Path, dir_okay=False), help="A file with the text to continue.")
@click.option("--template", type=click.Choice(["lwm"]), help="Put the prompt into the words of LWM's trainings. Default: as it is.")
@click.option("--max-tokens", type=int, metavar="N", help="Tokens of the answer. Default: 256, or what the context has room for.")
@filter_options
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same answer.")
@click.option("--samples", type=click.IntRange(1), default=1, help="Answers to the same prompt, with seeds one after the other.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Ends the answer where it would be written. May be given again.")
@click.option("--ignore-end", is_flag=True, help="Go on after the token that ends a document.")
@click.option("--frames", metavar="N[-M]", help="Answer with pictures: exactly N frames, or N to M. Ends after them.")
@media_options
@click.option("--show", multiple=True, metavar="FILE", help="A picture or clip before the prompt's text. May be given again.")
@click.option("--extend", metavar="FILE", help="A picture or clip after the text, which the answer's frames continue.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the answers' pictures and clips.")
@click.option("--guidance", type=float, default=1.0, show_default=True, help="Scale of classifier-free guidance in vision.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON: text, tokens, codes of frames, log-probabilities.")
@needs("local", "jax", "orbax")
@report_failures
def sample(**options: Any) -> int:
    from lwm_cli.sample import sample_checkpoint

    return sample_checkpoint(**options)
