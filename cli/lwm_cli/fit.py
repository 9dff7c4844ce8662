"""`lwm fit FILE.yaml`: compiles every stage of an LWMTraining for its accelerator, without one."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from lwm_cli.targets import NO_COMPILER, target_of
from lwm_cli.training import FileError, load, stages
from lwm_operator.plan.validation.warnings import warnings
from lwm_trainer.config import RunConfig
from lwm_trainer.fit.compile.compiler import FitError
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.fit import FitResult, fit, with_resolved_mesh
from lwm_trainer.fit.report.plot import plot_fits
from lwm_trainer.fit.report.text import format_bytes, stage_report, verdict_line
from lwm_trainer.fit.search import MAX_COMPILES, search, settings_line, yaml_snippet


def main(arguments: list[str]) -> int:
    """0: all stages fit; 1: one does not; 2: the file or the machine does not let us ask."""
    parser = argparse.ArgumentParser(prog="lwm fit", description="Does each stage fit its accelerator, and how fast will it be?")
    parser.add_argument("file", type=Path, help="an LWMTraining, as kubectl would apply it")
    parser.add_argument("--stage", help="only this one")
    parser.add_argument("--out", type=Path, help="a folder for fit.md and fit.png")
    parser.add_argument(
        "--search",
        type=int,
        default=MAX_COMPILES,
        metavar="N",
        help="other settings to compile when a stage does not fit (%(default)s; 0: none)",
    )
    given = parser.parse_args(arguments)
    try:
        return _fit(given.file, given.stage, given.out, given.search)
    except (FileError, FitError) as error:
        print(error, file=sys.stderr)
        return 2


def _fit(file: Path, only: str | None, out: Path | None, limit: int) -> int:
    training = load(file)
    asked = list(stages(training, only))
    pages, drawn, failed = list[str](), list[tuple[str, FitResult]](), False
    for warning in warnings(training.spec):
        print(f"warning: {warning}", file=sys.stderr)
    for number, (stage, run) in enumerate(asked, 1):
        say = _teller(f"stage {stage.name}, {number} of {len(asked)}")
        target = target_of(training.spec.accelerator_of(stage))
        if target is None:
            pages.append(_arithmetic(stage.name, run))
        else:
            found = fit(run, target, say)
            pages.append(stage_report(stage.name, found))
            drawn.append((stage.name, found))
            failed |= found.fits is False
            if found.fits is False and limit:
                pages[-1] += _proposal(run, target, say, limit)
        print(pages[-1], flush=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "fit.md").write_text("\n".join(pages))
        plot_fits(drawn, out / "fit.png")
    return 1 if failed else 0


def _teller(where: str) -> Callable[[str], None]:
    return lambda said: print(f"{where}: {said}", file=sys.stderr, flush=True)


def _proposal(run: RunConfig, target: Target, say: Callable[[str], None], limit: int) -> str:
    """What was tried, and what to paste into the stage."""
    tried = list(search(run, target, say, limit=limit))
    lines = [f"- {settings_line(each.run)}: {verdict_line(each)}" for each in tried] or [
        "- nothing: no other settings were worth compiling"
    ]
    found = tried[-1] if tried and tried[-1].fits else None
    if found is None:
        return "\n".join(
            ["Other settings:", "", *lines, "", "None of them fits: use a larger slice, or --search with a larger number.", ""]
        )
    seconds = f", predicted {found.estimate.seconds:.3g} s a step" if found.estimate is not None else ""
    return "\n".join(["Other settings:", "", *lines, "", f"This fits{seconds}:", "", "```yaml", yaml_snippet(found.run), "```", ""])


def _arithmetic(stage: str, run: RunConfig) -> str:
    """What can be said of a GPU stage."""
    found = estimate_memory(with_resolved_mesh(run))
    kinds = ("parameters", "optimizer", "gradients", "saved", "transient")
    rows = [f"- {kind}: {format_bytes(getattr(found, kind))}" for kind in kinds]
    return "\n".join([f"## {stage}: {NO_COMPILER}", "", *rows, f"- together: {format_bytes(found.total)} a device, coarsely", ""])
