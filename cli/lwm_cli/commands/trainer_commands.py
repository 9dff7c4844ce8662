"""`lwm convert` and `lwm vision`: the trainer's own commands, which parse the words that follow."""

import click

from lwm_cli.commands.run import require

AS_THEY_ARE = {"ignore_unknown_options": True, "help_option_names": list[str]()}
HELP = {"-h", "--help"}


@click.command("convert", context_settings=AS_THEY_ARE, short_help="Convert checkpoints from and to Hugging Face, and from LWM.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def convert(words: tuple[str, ...]) -> int:
    if not HELP.intersection(words):
        require("trainer", "jax", "orbax", "safetensors")
    from lwm_trainer.convert.__main__ import main

    return main(words)


@click.command("vision", context_settings=AS_THEY_ARE, short_help="Tokenizers for pictures and clips: import, train, encode, decode.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def vision(words: tuple[str, ...]) -> int:
    if not HELP.intersection(words):
        require("vision", "av", "jax", "PIL", "safetensors")
    from lwm_trainer.vision.__main__ import main

    return main(words)
