"""`lwm eval SUITE CHECKPOINT`: the command and its suites."""

import click

from lwm_cli.commands import run
from lwm_cli.evaluate.perplexity import perplexity
from lwm_cli.evaluate.suites import SUITES
from lwm_cli.evaluate.video_needle import video_needle


@click.group("eval")
def group() -> None:
    """Evaluate the model in a checkpoint, which is what `lwm sample` takes."""


for suite in (*SUITES, video_needle, perplexity):
    group.add_command(suite)


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    return run(group, "lwm eval", arguments)
