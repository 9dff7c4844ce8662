"""How a command of the trainer's libraries fails."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def report_failures(function: Callable[..., int]) -> Callable[..., int]:
    """Turn an exception into a line on standard error and an exit code."""

    @wraps(function)
    def reported(*arguments: Any, **options: Any) -> int:
        try:
            return function(*arguments, **options)
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:
            from lwm_trainer.runtime.command_failure import report_failure

            return report_failure(error)

    return reported
