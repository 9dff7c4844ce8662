"""What a command prints when it fails: one line, and the traceback only of what nobody foresaw."""

import sys
import traceback

from lwm_trainer.runtime.exit_classification import classify_exception
from lwm_trainer.runtime.redaction import redact


def report_failure(error: Exception, prefix: str = "") -> int:
    """Print the exception that is being handled on standard error, its line after `prefix`; returns the exit code."""
    classification = classify_exception(error, gang=False)
    if classification.unexpected:
        print(redact(traceback.format_exc()), file=sys.stderr, end="")
    print(f"{prefix}{classification.message}", file=sys.stderr)
    return int(classification.code)
