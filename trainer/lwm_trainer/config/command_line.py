"""Command lines of the processes that are configured by their environment: `--help`, `--version`, and nothing else."""

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import NoReturn

from lwm_trainer.config.exit_codes import ExitCode
from lwm_trainer.config.extras import DISTRIBUTION


class _Parser(argparse.ArgumentParser):
    """Ends the process with the exit code for a wrong command line, which no retry repeats, instead of argparse's 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.BAD_ARGUMENTS, f"{self.prog}: error: {message}\n")


def version() -> str:
    """Version of the installed distribution. The images hold the packages without a distribution: there it is "unknown"."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def parse_no_options(program: str, help_text: str, arguments: Sequence[str] | None = None) -> None:
    """Answer `--help` and `--version` and end the process; end it with exit code 64 for any other argument.

    `help_text` is printed as it is. `arguments` defaults to those of the process.
    """
    parser = _Parser(prog=program, description=help_text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    parser.parse_args(arguments)
