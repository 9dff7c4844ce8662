"""Gigabytes per second of `lwm_trainer.convert` between a Hugging Face folder in bfloat16 and a step folder, both ways.

Three limits of the same minute. A conversion's is a plain copy: to read what it reads, then to write what it writes, by the rates at which
the disk gives and takes one file in order; every write waits for the disk, every read is cold (see `disk`). Of reading into the trainer's
parameters it is the reading alone, and safetensors' own `load_file` is the peer: both end with all tensors in memory, theirs as they lie
in the file, ours transposed and in float32.

All rates are of the safetensors file's bytes, which are the same in every row.
"""

import contextlib
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from json import dumps
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.measurements import Measurement, number
from benchmarks.model import disk
from benchmarks.model.sizes import Sizes
from devcluster.paths import REPOSITORY
from devcluster.run import say
from lwm_trainer import config
from lwm_trainer.convert.__main__ import main as convert
from lwm_trainer.convert.config_json import ModelConfig, write_config
from lwm_trainer.convert.hf_read import SINGLE, HuggingFaceFolder
from lwm_trainer.convert.names import model_parameters
from lwm_trainer.convert.placement import load_parameters
from lwm_trainer.parallel.mesh import make_mesh

READ, WRITE = "file read in order", "file written in order"
PEER, PLACE, IMPORT, EXPORT = "safetensors load_file", "read into parameters", "from-hf", "to-hf"
ROUNDS = 3
"""Rounds that count, after one that does not."""
GIGA = 1e9

Seconds = dict[str, float]
TENSORS = np.dtype(ml_dtypes.bfloat16)
CPU = "CPU "
"""Before a name: seconds of all cores of this process; on a busy machine they tell more than those of the clock."""


def conversions(sizes: Sizes) -> list[Measurement]:
    """The disk's two rates, then reading, import and export. Void if export does not give the imported bits back."""
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as folder:
        return _measured(_model(sizes.converted_layers), Path(folder))


def _model(layers: int) -> config.Model:
    """A model of Llama's proportions: 47M parameters per layer, 131M in embedding and head."""
    return config.Model(layers=layers, width=2048, heads=16, kv_heads=8, head_dim=128, mlp_width=5632, vocab_size=32_000)


def _measured(model: config.Model, folder: Path) -> list[Measurement]:
    source, step, out, plain = (folder / name for name in ("source", "step", "out", "plain"))
    _make(source, model)
    file = source / SINGLE
    total = disk.size(file)
    calls: dict[str, tuple[Path, Path | None, Callable[[], None]]] = {  # what it reads, what it writes again, and the call
        READ: (file, None, lambda: disk.read(file)),
        PEER: (file, None, lambda: _drop(load_file(file))),
        PLACE: (file, None, lambda: _drop(_placed(source, model))),
        IMPORT: (file, step, lambda: _convert("from-hf", source, step)),
        WRITE: (file, plain, lambda: disk.write(plain, total)),
        EXPORT: (step, out, lambda: _convert("to-hf", step, out)),
    }
    done: list[Seconds] = []
    for turn in range(1 + ROUNDS):
        taken: Seconds = {}
        for name in [*calls][:: -1 if turn % 2 else 1]:
            reads, writes, call = calls[name]
            disk.forget(reads)
            if writes is not None:
                _remove(writes)
            taken[name], taken[CPU + name] = _timed(call, writes)
        done.append(taken)
    same = _same(file, out / SINGLE)
    return rows(done[1:], total, disk.size(step), same)


def rows(done: Sequence[Seconds], total: int, stored: int, same: bool) -> list[Measurement]:
    def copied(taken: Seconds, read: int, written: int) -> float:
        return taken[READ] * read / total + taken[WRITE] * written / total

    def row(name: str, limit: Callable[[Seconds], float] | None = None, peer: str | None = None, note: str = "") -> Measurement:
        seconds = [taken[name] for taken in done]
        measurement = Measurement(
            name=f"convert: {name}" + (f" vs {peer}" if peer else ""),
            value=total / GIGA / statistics.median(seconds),
            unit="GB/s",
            ratio=statistics.median(taken[peer] / taken[name] for taken in done) if peer else None,
            percent_of_limit=statistics.median(100 * limit(taken) / taken[name] for taken in done) if limit else None,
            note=f"{number(statistics.median(taken[CPU + name] for taken in done))} s of CPU; {note}",
        )
        say(f"  {measurement.name}: {number(measurement.value)} GB/s, {number(measurement.percent_of_limit)} % of the limit")
        return measurement

    if not same:
        return [Measurement(name="convert", value=None, unit="GB/s", note="VOID: what was exported is not what was imported")]
    size, kept = f"{total / GIGA:.2f} GB", f"{stored / GIGA:.2f} GB"
    return [
        row(READ, note=f"cold, {size} of bfloat16; the limit of reading; rounds: {len(done)}"),
        row(WRITE, note="until it lies on the disk; with the one above the limit of conversions"),
        row(PLACE, lambda taken: taken[READ], PEER, note="transposed and in float32; theirs as in the file"),
        row(IMPORT, lambda taken: copied(taken, total, stored), note=f"reads {size}, writes {kept}: bfloat16, as it was"),
        row(EXPORT, lambda taken: copied(taken, stored, total), note=f"reads {kept}, writes {size}; the very bits that were imported"),
    ]


def _make(folder: Path, model: config.Model) -> None:
    """A Hugging Face folder with normal weights."""
    random = np.random.default_rng(0)
    tensors = {
        leaf.name(layer): random.standard_normal(leaf.hf_shape, np.float32).astype(TENSORS)
        for leaf in model_parameters(model)
        for layer in range(leaf.layers or 1)
    }
    folder.mkdir()
    save_file(tensors, folder / SINGLE, metadata={"format": "pt"})
    (folder / "config.json").write_text(dumps(write_config(ModelConfig(model, 10_000.0, 4096), str(TENSORS))))


def _timed(call: Callable[[], None], writes: Path | None) -> tuple[float, float]:
    began, busy = time.perf_counter(), time.process_time()
    call()
    if writes is not None:
        disk.settle(writes)
    return time.perf_counter() - began, time.process_time() - busy


def _placed(source: Path, model: config.Model) -> object:
    return jax.block_until_ready(load_parameters(model, HuggingFaceFolder(source), make_mesh(config.Mesh()), "float32", lambda _: None))


def _drop(_: object) -> None:
    """What was read is let go within the time that is measured, for all alike."""


def _convert(direction: str, source: Path, out: Path) -> None:
    """Runs the command without its output. Raises RuntimeError with that output where it fails."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        code = convert([direction, str(source), str(out)])
    if code:
        raise RuntimeError(f"{direction} ended with {code}: {errors.getvalue()}")


def _same(first: Path, second: Path) -> bool:
    ours, theirs = load_file(first), load_file(second)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name].view(np.uint16), theirs[name].view(np.uint16)) for name in ours)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
