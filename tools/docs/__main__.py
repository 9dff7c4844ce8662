"""Writes or checks the generated pages, such as docs/reference.md and the chart's README: `python -m tools.docs [--check]`."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tools.docs import chart_values, metrics, platforms, reasons, reference

ROOT = Path(__file__).resolve().parents[2]

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference.md": reference.page,
    "docs/reasons.md": reasons.page,
    "docs/platforms.md": platforms.page,
    "docs/metrics.md": metrics.page,
    "charts/lwm-operator/README.md": chart_values.page,
}


def difference() -> str:
    """A diff between the committed pages and the generated ones; empty if they are equal."""
    return "\n".join(line for name, generate in PAGES.items() for line in _page_difference(name, generate()))


def _page_difference(name: str, generated: str) -> Iterator[str]:
    path = ROOT / name
    committed = path.read_text() if path.exists() else ""
    return difflib.unified_diff(committed.splitlines(), generated.splitlines(), name, "generated", lineterm="")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; print the differences and exit 1 if there are any")
    if not parser.parse_args(arguments).check:
        for name, generate in PAGES.items():
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(generate())
        return 0
    diff = difference()
    sys.stdout.write(diff + "\nA page differs from the code: run `make docs`.\n" if diff else "")
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
