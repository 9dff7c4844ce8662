"""`lwm fit FILE.yaml`: compiles every stage of an LWMTraining for its accelerator, without one."""

import argparse
import sys
from pathlib import Path

from lwm_cli.targets import NO_COMPILER, target_of
from lwm_cli.training import FileError, load, stages
from lwm_trainer.fit.compiled import FitError
from lwm_trainer.fit.fit import fit
from lwm_trainer.fit.report import report


def main(arguments: list[str]) -> int:
    """0: all stages fit; 1: one does not; 2: the file or the machine does not let us ask."""
    parser = argparse.ArgumentParser(prog="lwm fit", description="Does each stage fit its accelerator, and how fast will it be?")
    parser.add_argument("file", type=Path, help="an LWMTraining, as kubectl would apply it")
    parser.add_argument("--stage", help="only this one")
    parser.add_argument("--out", type=Path, help="a folder for fit.md")
    given = parser.parse_args(arguments)
    try:
        return _fit(given.file, given.stage, given.out)
    except (FileError, FitError) as error:
        print(error, file=sys.stderr)
        return 2


def _fit(file: Path, stage_name: str | None, out: Path | None) -> int:
    training = load(file)
    asked = list(stages(training, stage_name))
    pages, failed = [], False
    for number, (stage, run) in enumerate(asked, 1):
        where = f"stage {stage.name}, {number} of {len(asked)}"
        target = target_of(training.spec.accelerator_of(stage))
        if target is None:
            pages.append(f"## {stage.name}: {NO_COMPILER}\n")
            print(pages[-1], flush=True)
            continue
        found = fit(run, target, lambda said, where=where: print(f"{where}: {said}", file=sys.stderr, flush=True))  # type: ignore[misc]
        failed |= found.fits is False
        pages.append(report(stage.name, found))
        print(pages[-1], flush=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "fit.md").write_text("\n".join(pages))
    return 1 if failed else 0
