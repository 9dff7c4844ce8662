"""What a command says when it fails: one sentence, without the usage."""

import sys
from typing import IO, Any

import click


class CommandError(click.ClickException):
    """The command cannot do what it was asked: the message says why."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        click.echo(self.message, file=file or sys.stderr)


class FileError(CommandError):
    """The file or an option is wrong: names the field and the fix."""

    exit_code = 2


class PlaceError(CommandError):
    """There is no such training, or its place does not answer."""
