"""`lwm fit FILE.yaml`: compiles every stage of an LWMTraining for its accelerator, without the accelerator."""

import sys
from collections.abc import Callable
from pathlib import Path

from lwm_cli.errors import FileError
from lwm_cli.local.manifest import path_reader
from lwm_cli.training import load, stages
from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.training import Training
from lwm_operator.plan.validation.warnings import warnings
from lwm_trainer.config import RunConfig
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.compile.compiler import FitError
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.serving import ServingEstimate, devices_of, estimate_serving
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from lwm_trainer.fit.fit import FitResult, fit, with_resolved_mesh
from lwm_trainer.fit.nearby import faster_settings, is_small_change
from lwm_trainer.fit.report.cost import stage_cost
from lwm_trainer.fit.report.plot import plot_fits
from lwm_trainer.fit.report.text import estimated_memory, format_bytes, stage_report, verdict_line
from lwm_trainer.fit.search import MAX_COMPILES, search, settings_line, yaml_snippet

CHUNK = 2048
"""Tokens of a prompt that `lwm serve` takes at once by default."""
SERVED_TYPE = "bfloat16"
REPORT, PICTURE = "fit.md", "fit.png"
SPARE = 0.25
"""The share of a device's memory that must stay free for advice."""
NO_COMPILER = "a GPU program cannot be compiled without a GPU: memory arithmetic only"


def fit_file(file: Path, only: str | None, out: Path | None, limit: int | None, price: float | None) -> int:
    """Print a report of each stage, or of the one named `only`; compile at most `limit` other settings (None: MAX_COMPILES) where
    one does not fit. `price`: of a chip-hour, in whatever money.

    Returns the exit code: 0 if all stages fit, 1 if one does not. Raises FileError, also where this machine cannot compile.
    """
    training = load(file, local_path=path_reader(file.parent))
    if out is not None:
        _require_writable(out)
    try:
        return _fit(training, only, out, MAX_COMPILES if limit is None else limit, price)
    except FitError as error:
        raise FileError(str(error)) from error


def fit_server(file: Path, only: str | None, rows: int) -> int:
    """Print for each stage, or the one named `only`, what serving its model with so many rows takes.

    Returns the exit code: 0 if all fit, 1 if one does not. Raises FileError, also for a stage whose accelerator is no TPU.
    """
    training = load(file, local_path=path_reader(file.parent))
    failed = False
    for stage, run in stages(training, only):
        accelerator = training.spec.accelerator_of(stage)
        if accelerator.tpu is None:
            raise FileError(f"stage {stage.name}: its accelerator is no TPU, of which alone the figures are known: give one, or --stage")
        family = TPU_FAMILIES[accelerator.tpu.family]
        devices = devices_of(accelerator.tpu.topology, family.devices_per_chip)
        available = family.usable_hbm_bytes
        made = estimate_serving(run.model, run.context_length, family.device, available, devices, rows=rows, chunk=CHUNK, dtype=SERVED_TYPE)
        failed |= not made.fits
        print(server_report(f"{stage.name}: {family.name} {accelerator.tpu.topology}, {run.context_length} tokens", rows, made), flush=True)
    return 1 if failed else 0


def server_report(title: str, rows: int, made: ServingEstimate) -> str:
    """An estimate as text."""
    verdict = "fits" if made.fits else "does not fit: fewer rows, or a larger slice"
    parts = f"parameters {format_bytes(made.parameters)}, cache {format_bytes(made.cache)}, working {format_bytes(made.working)}"
    return "\n".join(
        [
            f"## {title}, {rows} row{'s' if rows > 1 else ''}: {verdict}",
            "",
            f"- a device: {parts}; together {format_bytes(made.total)} of {format_bytes(made.available)}",
            f"- a prompt of the whole context: {made.prefill_seconds:.3g} s; a token after it: {1000 * made.token_seconds:.3g} ms or more",
            "",
        ]
    )


def _require_writable(out: Path) -> None:
    """Raise FileError before the minutes of compiling."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (REPORT, PICTURE):
            (out / name).open("a").close()
    except OSError as error:
        raise FileError(f"--out {error.filename or out}: {error.strerror}: give a folder that may be written") from error


def _fit(training: Training, only: str | None, out: Path | None, limit: int, price: float | None) -> int:
    selected = list(stages(training, only))
    pages, plotted, failed = list[str](), list[tuple[str, FitResult]](), False
    doubts = warnings(training.spec)
    for warning in doubts:
        if not warning.startswith("spec.stages["):
            print(f"warning: {warning}", file=sys.stderr)
    for number, (stage, run) in enumerate(selected, 1):
        log = _logger(f"stage {stage.name}, {number} of {len(selected)}")
        target = target_of(training.spec.accelerator_of(stage))
        if target is None:
            pages.append(_arithmetic(stage.name, run))
        else:
            result = fit(run, target, log)
            pages.append(stage_report(stage.name, result, price) + faster_advice(result))
            plotted.append((stage.name, result))
            failed |= result.fits is False
            if result.fits is False and limit:
                pages[-1] += _proposal(result, log, limit)
        pages[-1] += "".join(f"warning: {each}\n\n" for each in doubts if each.startswith(f"spec.stages[{stage.name}]"))
        print(pages[-1], flush=True)
    costs = [cost for _, result in plotted if (cost := stage_cost(result)) is not None]
    if price is not None and not costs:
        print("warning: --price: the time of a step is estimated for TPUs alone, so nothing is said about cost", file=sys.stderr)
    if len(costs) > 1:
        pages.append(f"All {len(costs)} stages whose time is estimated: {sum(costs[1:], costs[0]).words(price)}.\n")
        print(pages[-1], flush=True)
    if out is not None:
        (out / REPORT).write_text("\n".join(pages))
        plot_fits(plotted, out / PICTURE)
    return 1 if failed else 0


def faster_advice(result: FitResult) -> str:
    """Faster settings where much memory stays free; empty where there are none."""
    memory, available, family = result.compiled.memory, result.target.available_bytes, result.target.tpu_family
    if memory is None or available is None or family is None or result.estimate is None or memory.used > (1 - SPARE) * available:
        return ""
    faster = faster_settings(result.run, family.device, memory.used, available)
    if faster is None:
        return ""
    seconds = estimate_step_time(faster, family.device).seconds
    free, takes = format_bytes(available - memory.used), f"{seconds:.3g} s a step in place of {result.estimate.seconds:.3g} s"
    lines = [
        f"{free} of a device stay free. By arithmetic these settings fit, too, and take {takes}. They have not been compiled: put them "
        "into the stage and ask again.",
        *("", "```yaml", yaml_snippet(faster), "```", "", ""),
    ]
    return "\n".join(lines)


def target_of(accelerator: Accelerator) -> Target | None:
    """What to compile for; None for GPUs. Family and topology are valid, because `load` has validated the training."""
    match accelerator.type:
        case "tpu" if accelerator.tpu is not None:
            return Target(platform="tpu", topology=f"{accelerator.tpu.family}:{accelerator.tpu.topology}")
        case "cpu":
            return Target(platform="cpu")
        case _:
            return None


def _logger(prefix: str) -> Callable[[str], None]:
    return lambda line: print(f"{prefix}: {line}", file=sys.stderr, flush=True)


def _proposal(refused: FitResult, log: Callable[[str], None], limit: int) -> str:
    """The settings that were tried, and the YAML of those that fit: the smallest change, and the fastest."""
    available, margin = refused.target.available_bytes, refused.margin_bytes
    needed = available - margin if available is not None and margin is not None else None
    tried = list(search(refused.run, refused.target, log, needed=needed, limit=limit))
    lines = [f"- {settings_line(each.run)}: {verdict_line(each)}" for each in tried] or [
        "- nothing: no other settings were worth compiling"
    ]
    text = ["Other settings:", "", *lines, ""]
    fitting = [each for each in tried if each.fits]
    if not fitting:
        return "\n".join([*text, "None of them fits: use a larger slice, or --search with a larger number.", ""])
    small = [each for each in fitting if is_small_change(refused.run, each.run)][:1]
    named = [("The smallest change that fits", each) for each in small]
    named += [("The fastest of those that fit", each) for each in fitting[-1:] if each not in small]
    for name, each in named:
        seconds = f", predicted {each.estimate.seconds:.3g} s a step" if each.estimate is not None else ""
        text += [f"{name}{seconds}:", "", "```yaml", yaml_snippet(each.run), "```", ""]
    return "\n".join(text)


def _arithmetic(stage: str, run: RunConfig) -> str:
    """The report of a GPU stage: estimated memory only."""
    return "\n".join([f"## {stage}: {NO_COMPILER}", "", estimated_memory(with_resolved_mesh(run)), ""])
