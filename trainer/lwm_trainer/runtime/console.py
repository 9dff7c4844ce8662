"""Lines for people: results on standard output, warnings on standard error.

Each call is one write, because Gloo prints to the same streams from native code and would tear a line that is written in parts.
"""

import sys


def say(text: str) -> None:
    """Print lines that belong to the run's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print lines about what went wrong without ending the run, or with the traceback of what ended it."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
