"""`lwm train` as a process, with a small training whose steps take a while, and the same training left alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lwm_trainer.config import REPORT_VARIABLE
from processes.patches import slow_batches
from support import compiled_programs

TEXT = """\
apiVersion: lwm.dev/v1alpha1
kind: LWMTraining
metadata: {{name: tiny}}
spec:
  model: {{layers: 2, width: 64, heads: 4, kvHeads: 2, headDim: 16, mlpWidth: 128, vocabSize: 512}}
  tokenizer: {{uri: "file:{folder}/tokenizer.json"}}
  datasets: [{{name: words, source: {{uri: "file:{folder}/texts"}}}}]
  checkpoint: {{uri: file:runs, saveIntervalSteps: 10}}
  accelerator: {{type: cpu, cpu: {{hosts: 1, devicesPerHost: 2, threads: 2}}}}
  stages:
    - {{name: short, contextLength: 64, batchTokens: 256, steps: {steps}, mesh: {{sp: 2}}, optimizer: {{peakLearningRate: 0.01}}}}
"""
SITE_CUSTOMIZE = f"""\
import os
if "{REPORT_VARIABLE}" in os.environ:
    from lwm_trainer.runtime import sigterm
    sigterm.block()
    from {slow_batches.__module__} import {slow_batches.__name__}
    {slow_batches.__name__}()
"""
"""It slows the trainers that `lwm train` starts: reports come once a second, in which a fast machine would train the whole stage."""
RUN = Path("runs") / "tiny"


def prepare(place: Path, data: Path, steps: int) -> None:
    """Write the file of a training of the texts in `data`, which finds the tests' compiled programs, and what slows its trainers."""
    (place / "tiny.yaml").write_text(TEXT.format(folder=data, steps=steps))
    (place / "runs").mkdir()
    (place / "runs" / "compile-cache").symlink_to(compiled_programs.FOLDER)
    (place / "site").mkdir()
    (place / "site" / "sitecustomize.py").write_text(SITE_CUSTOMIZE)


@contextmanager
def lwm_train(place: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, which prints into the file `out`."""
    with (place / "out").open("ab") as out:
        command = [sys.executable, "-m", "lwm_cli", "train", "tiny.yaml"]
        environment = {**os.environ, "PYTHONPATH": str(place / "site")}
        process = subprocess.Popen(command, cwd=place, stdout=out, stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def undisturbed(place: Path, attempt: int) -> dict[str, Any]:
    """The run config of an attempt, to begin anew elsewhere."""
    run: dict[str, Any] = json.loads((place / RUN / "attempts" / f"tiny-s1-a{attempt}" / "run.json").read_text())
    return run | {"attempt": 1, "start": {}, "checkpoint": run["checkpoint"] | {"root": str(place / "undisturbed")}}
