"""How a Click command is run: its exit code is what it returns, and a wrong command line is 2."""

import sys
from collections.abc import Sequence

import click


def run(command: click.Command, name: str, arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    try:
        result = command.main(args=list(arguments), prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except click.Abort:
        return 130
    return result if isinstance(result, int) else 0
