"""`lwm`: all commands."""

import click

from lwm_cli.commands.chat import chat
from lwm_cli.commands.data import data
from lwm_cli.commands.evaluate import evaluation
from lwm_cli.commands.fit import fit
from lwm_cli.commands.init import init
from lwm_cli.commands.manage import events, logs, open_page, resume, status, suspend, timeline, why
from lwm_cli.commands.report import report
from lwm_cli.commands.sample import sample
from lwm_cli.commands.serve import serve
from lwm_cli.commands.train import train
from lwm_cli.commands.trainer_commands import convert, vision

HELP = """Train, look at and use Large World Models: on this machine, and on Kubernetes.

\b
Exit codes: 0 success, 1 a negative result, 2 wrong arguments or file, 130 after Ctrl-C.
Commands that read checkpoints and data name others, 64 to 79, in their guides."""


class InGivenOrder(click.Group):
    """Lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(self.commands)


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from lwm_trainer.config.command_line import version

    click.echo(f"lwm {version()}")
    context.exit()


@click.group("lwm", cls=InGivenOrder, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version and exit.")
def lwm() -> None:
    pass


for command in (
    init,
    train,
    status,
    why,
    logs,
    timeline,
    events,
    suspend,
    resume,
    sample,
    chat,
    serve,
    evaluation,
    report,
    fit,
    data,
    convert,
    vision,
):
    lwm.add_command(command)


@click.group("kubectl lwm", cls=InGivenOrder, context_settings={"help_option_names": ["-h", "--help"]})
def plugin() -> None:
    """Look at trainings and steer them: in the cluster of kubectl's context by name, and in folders of lwm train."""


for command in (status, why, logs, timeline, events, suspend, resume, open_page):
    plugin.add_command(command)
