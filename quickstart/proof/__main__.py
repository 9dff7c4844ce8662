"""`python -m quickstart.proof`: train and compare what docs/proof.md is about, and write that page and its pictures."""

import argparse
import sys
from pathlib import Path
from typing import Any

from lwm_cli.errors import FileError
from lwm_trainer.parallel import compile_cache
from quickstart.proof.data import write_data
from quickstart.proof.page import write_page
from quickstart.proof.run import run_and_measure
from quickstart.proof.trainings import runs
from quickstart.watch import TrainingError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m quickstart.proof", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "proof", help="trainings and answers (default: build/proof)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where proof.md and images/ are written (default: docs)")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    data = folder / "data"
    write_data(data)
    compile_cache.use(str(folder / "compiled"))
    figures: dict[str, Any] = {}
    try:
        for run in runs():
            print(f"\n{run.name}: {run.title}", flush=True)
            figures[run.name] = run_and_measure(run, folder / run.name, data, figures)
    except (FileError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_page(figures, options.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
