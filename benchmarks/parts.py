"""The parts of a benchmark: chosen on the command line, measured one after the other within a time limit."""

import argparse
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TypeVar

from devcluster.run import say

Given = TypeVar("Given")
Row = TypeVar("Row")


class OutOfTimeError(BaseException):
    """The run has taken too long; no part may catch this, only its `finally` runs, and what was measured until then is shown."""


def chosen(parser: argparse.ArgumentParser, known: Iterable[str], arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and of `--parts`, which is added here, the names; an unknown one ends the program with the list of those there are."""
    names = list(known)
    parser.add_argument("--parts", default=",".join(names), help="default: %(default)s")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(names):
        parser.error(f"--parts: no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options, parts


def limit(minutes: int, less: str) -> None:
    """From now on, OutOfTimeError after so many minutes. `less`: the options that measure less."""

    def out_of_time(_: int, __: FrameType | None) -> None:
        raise OutOfTimeError(f"not done after {minutes} minutes, the machine is too busy: {less} measures less")

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(60 * minutes)


def collect(
    known: Mapping[str, Callable[[Given], Iterable[Row]]], parts: Sequence[str], given: Given, broken: Callable[[str, str], Row]
) -> Iterator[Row]:
    """Rows of every part; where one breaks, the row that `broken` makes of its name and what happened, and the others are measured."""
    for part in parts:
        say(part)
        try:
            yield from known[part](given)
        except OutOfTimeError as error:
            yield broken(f"{part} and what follows it", str(error))
            break
        except Exception as error:
            traceback.print_exc()
            yield broken(part, f"{type(error).__name__}: {error}")
    signal.alarm(0)
