"""Command lines of the processes that are configured by their environment: `--help`, `--version`, and nothing else."""

import argparse
import importlib.metadata
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lwm_trainer.config.exit_codes import ExitCode
from lwm_trainer.config.extras import DISTRIBUTION

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class _Parser(argparse.ArgumentParser):
    """Ends the process with the exit code for a wrong command line, which no retry repeats, instead of argparse's 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.BAD_ARGUMENTS, f"{self.prog}: error: {message}\n")


def version() -> str:
    """Version of the installed distribution, or of the pyproject.toml beside the packages: the images have no distribution."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return str(tomllib.loads(PROJECT.read_text())["project"]["version"]) if PROJECT.exists() else "unknown"


def parse_no_options(program: str, help_text: str, arguments: Sequence[str] | None = None) -> None:
    """Answer `--help` and `--version` and end the process; end it with exit code 64 for any other argument.

    `help_text` is printed as it is. `arguments` defaults to those of the process.
    """
    parser = _Parser(prog=program, description=help_text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    parser.parse_args(arguments)
