"""What a command prints when it fails: one line, and the traceback only of what nobody foresaw."""

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from lwm_trainer.runtime.exit_classification import classify_exception
from lwm_trainer.runtime.redaction import redact


def report_failures(function: Callable[..., int]) -> Callable[..., int]:
    """Turn an exception into a line on standard error and an exit code."""

    @wraps(function)
    def reported(*arguments: Any, **options: Any) -> int:
        try:
            return function(*arguments, **options)
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:
            classification = classify_exception(error, gang=False)
            if classification.unexpected:
                print(redact(traceback.format_exc()), file=sys.stderr, end="")
            print(classification.message, file=sys.stderr)
            return int(classification.code)

    return reported
