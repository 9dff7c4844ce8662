"""How a command is run: its exit code is what it returns, and a wrong command line is 2."""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click

INTERRUPTED = 130
"""Exit code of a command that SIGINT ended, as shells have it."""


def run(command: click.Command, name: str, arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    try:
        result = command.main(args=list(arguments), prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def require(extra: str, *modules: str) -> None:
    """End the process with one sentence when a module of the extra is not installed; it names the command that runs."""
    from lwm_trainer.config.extras import require_extra

    require_extra(click.get_current_context().command_path, extra, *modules)


def needs(extra: str, *modules: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Have `require` called before the command runs."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @wraps(function)
        def checked(*arguments: Any, **options: Any) -> int:
            require(extra, *modules)
            return function(*arguments, **options)

        return checked

    return decorate
