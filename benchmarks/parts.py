"""The parts of a benchmark: chosen on the command line, measured one after the other within a time limit."""

import argparse
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TypeVar

from devcluster.run import say

Argument = TypeVar("Argument")
Measured = TypeVar("Measured")


class OutOfTimeError(BaseException):
    """The run has taken too long. No part may catch this, only its `finally` runs; what was measured until then is shown."""


def chosen(parser: argparse.ArgumentParser, known: Iterable[str], arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options and the names of `--parts`, which this function adds; an unknown name ends the program with the list of known ones."""
    names = list(known)
    parser.add_argument("--parts", default=",".join(names), help="default: %(default)s")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(names):
        parser.error(f"--parts: no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options, parts


def limit(minutes: int, less: str) -> None:
    """Raises OutOfTimeError in so many minutes from now. `less`: the options that measure less."""

    def out_of_time(_: int, __: FrameType | None) -> None:
        raise OutOfTimeError(f"not done after {minutes} minutes, the machine is too busy: {less} measures less")

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(60 * minutes)


def collect(
    known: Mapping[str, Callable[[Argument], Iterable[Measured]]],
    parts: Sequence[str],
    argument: Argument,
    broken: Callable[[str, str], Measured],
) -> Iterator[Measured]:
    """Measurements of every part. For a part that fails, `broken` makes one from its name and the error; the others still run."""
    for part in parts:
        say(part)
        try:
            yield from known[part](argument)
        except OutOfTimeError as error:
            yield broken(f"{part} and what follows it", str(error))
            break
        except Exception as error:
            traceback.print_exc()
            yield broken(part, f"{type(error).__name__}: {error}")
    signal.alarm(0)
