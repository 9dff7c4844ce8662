"""Writes or checks the generated pages of docs/ (reference, reasons, platforms, metrics): `python -m tools.docs [--check]`."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tools.docs import metrics, platforms, reasons, reference

DOCS = Path(__file__).resolve().parents[2] / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "reference.md": reference.page,
    "reasons.md": reasons.page,
    "platforms.md": platforms.page,
    "metrics.md": metrics.page,
}


def difference() -> str:
    """A diff between the committed pages and the generated ones; empty if they are equal."""
    return "\n".join(line for name, generate in PAGES.items() for line in _page_difference(name, generate()))


def _page_difference(name: str, generated: str) -> Iterator[str]:
    path = DOCS / name
    committed = path.read_text() if path.exists() else ""
    return difflib.unified_diff(committed.splitlines(), generated.splitlines(), f"docs/{name}", "generated", lineterm="")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; print the differences and exit 1 if there are any")
    if not parser.parse_args(arguments).check:
        for name, generate in PAGES.items():
            (DOCS / name).write_text(generate())
        return 0
    diff = difference()
    sys.stdout.write(diff + "\nA page differs from the code: run `make docs`.\n" if diff else "")
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
