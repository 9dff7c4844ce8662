"""What `lwm init` does: the facts become a file, which is checked as `lwm train` and `lwm fit` check it."""

import re
import sys
import tempfile
from pathlib import Path

from lwm_cli.errors import FileError
from lwm_cli.init.accelerators import parse_accelerator
from lwm_cli.init.budget import Budget, Stages, within
from lwm_cli.init.ladder import Kind, ladder
from lwm_cli.init.manifest import Contents, Places, manifest, short_length
from lwm_cli.init.meshes import propose
from lwm_cli.init.models import TINY, VISION, find_model
from lwm_cli.local.manifest import path_reader
from lwm_cli.training import load
from lwm_operator.plan.validation.warnings import warnings
from lwm_trainer.config import Precision

LEAST, MOST = 64, 2**24
"""Tokens of a target length."""
DEFAULT_TARGETS = {"text": 1_048_576, "chat": 1_048_576, "vision": 8192}
TINY_TARGETS = {"text": 512, "chat": 512, "vision": 2048}


def init(
    model: str,
    accelerator: str,
    kind: Kind,
    target_length: str | None,
    places: Places,
    name: str | None,
    budget: Budget | None,
    out: Path | None,
    force: bool,
) -> int:
    """Write the file, or print it where `out` is None. Returns the exit code. Raises FileError."""
    if out is not None and out.exists() and not force:
        raise FileError(f"--out {out}: the file exists: give another name, or --force to replace it")
    text = training_text(model, accelerator, kind, target_length, places, name, budget)
    for warning in checked(text, out or Path("training.yaml")):
        print(f"warning: {warning}", file=sys.stderr)
    if out is None:
        print(text, end="")
        return 0
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"--out {out}: {error.strerror}: give a file that may be written") from error
    print(f"{out}: next: lwm fit {out}, then kubectl apply -f {out}, or lwm train {out} on this machine")
    return 0


def training_text(
    model: str, accelerator: str, kind: Kind, target_length: str | None, places: Places, name: str | None, budget: Budget | None = None
) -> str:
    """The text of the file. Raises FileError for facts that are wrong or contradict each other."""
    config, devices = find_model(model), parse_accelerator(accelerator)
    tiny = model == TINY
    if places.init_from is None and not tiny:
        raise FileError(
            "--init-from is missing: name the step folder that lwm convert from-hf has written, or give --from-scratch to begin with "
            "random parameters"
        )
    target = (TINY_TARGETS if tiny else DEFAULT_TARGETS)[kind] if target_length is None else parse_length(target_length)
    architecture = config.model
    if kind == "vision" and architecture.vision is None:
        architecture = architecture.model_copy(update={"vision": VISION})
    mixed = devices.gang.platform != "cpu"
    compute = Precision(compute="bfloat16") if mixed else Precision()
    rungs = ladder(kind, target, config.context_length, config.rope_theta, devices.gang.devices, tiny)
    stages: Stages = [(rung, propose(architecture, rung, devices, compute)) for rung in rungs]
    stages, spending = (stages, None) if budget is None else within(stages, devices, budget)
    if spending is not None:
        print(spending, file=sys.stderr)
    stem = "model" if Path(model).exists() else model
    words = ["lwm init", f"--model {model}", f"--accelerator {accelerator}", f"--kind {kind}", f"--target-length {short_length(target)}"]
    if budget is not None:
        words += [f"--budget {budget.amount:.15g}", *([] if budget.price is None else [f"--price {budget.price:.15g}"])]
    contents = Contents(
        command=" ".join(words),
        spending=spending,
        name=name or f"{stem}-{kind}-{short_length(target)}",
        kind=kind,
        model=architecture,
        places=Places(places.data, places.tokenizer, places.checkpoints, places.init_from or None),
        devices=devices,
        stages=stages,
        mixed=mixed,
        save_interval_steps=10 if tiny else 20,
    )
    return manifest(contents)


def parse_length(text: str) -> int:
    """`32768`, `32k` or `1m` as a number of tokens. Raises FileError."""
    match = re.fullmatch(r"([1-9]\d*)([kKmM]?)", text.strip())
    length = int(match[1]) * {"": 1, "k": 2**10, "m": 2**20}[match[2].lower()] if match else 0
    if not LEAST <= length <= MOST:
        raise FileError(f"--target-length {text}: give a number of tokens from {LEAST} to {MOST:,}, such as 32768, 128k or 1m")
    return length


def checked(text: str, file: Path) -> tuple[str, ...]:
    """The warnings about the file; paths in it are relative to where it will be. Raises FileError: what the API server would refuse."""
    with tempfile.TemporaryDirectory(prefix="lwm-init-") as folder:
        draft = Path(folder) / file.name
        draft.write_text(text, encoding="utf-8")
        try:
            return warnings(load(draft, local_path=path_reader(file.parent)).spec)
        except FileError as error:
            raise FileError(error.message.replace(f"{draft}:", "the file would be refused, line ")) from error
