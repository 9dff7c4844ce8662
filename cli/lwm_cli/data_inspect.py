"""`lwm data inspect FILE.yaml|FOLDER`: shows one row of a stage or of a prepared data set as readable text."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lwm_cli.data_options import DatasetOptions, absolute, load_training, run_config_for
from lwm_cli.errors import FileError
from lwm_cli.row_view import RowView, Segment, render, view_row
from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.config.extras import require_extra
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.documents.store_schema import PREPARED
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.storage.folder import folder

if TYPE_CHECKING:
    from lwm_cli.row_pictures import RowPictures

CONTEXT_LENGTH = 4096
"""Tokens of a row of a prepared data set, which belongs to no stage."""


@dataclass(frozen=True)
class Shown:
    """Which row is shown, and how."""

    stage: str | None
    """None: the first that draws on the data set."""
    row: int
    context_length: int | None
    """None: that of the stage, CONTEXT_LENGTH for a prepared data set."""
    whole: bool
    """Not only both ends of long documents."""
    pictures: Path | None = None
    """Folder for PNG files of the row's frames; None: none are written."""
    vision_tokenizer: str | None = None
    """File that decodes frames; None: they are shown as codes."""


def inspect_row(target: str, options: DatasetOptions, shown: Shown) -> int:
    """Print a row. Returns the exit code. Raises FileError and the errors of data and storage."""
    run = _run_of_file(target, options, shown) if Path(target).is_file() else _run_of_store(target, options, shown)
    tokenizer = Tokenizer.load(run.tokenizer, run.model.vocab_size)
    row = view_row(run, load_documents(run, tokenizer), shown.row)
    print(row.summary, file=sys.stderr)
    print(_title(run, row, shown.row))
    is_terminal = sys.stdout.isatty()
    pictures = _pictures(target, shown)
    for line in render(row, tokenizer, colour=is_terminal, whole=shown.whole, draw=_draw(pictures) if is_terminal else None):
        print(line)
    if pictures is not None and shown.pictures is not None:
        count = pictures.write(row, shown.row, shown.pictures)
        print(f"{shown.pictures}: {count} documents with pictures" if count else "the row has no pictures")
    return 0


def _pictures(target: str, shown: Shown) -> "RowPictures | None":
    """What decodes frames; None where nothing was asked for. Raises FileError for pictures without a tokenizer."""
    if shown.vision_tokenizer is None:
        if shown.pictures is not None:
            raise FileError("--pictures: codes become pictures by the tokenizer that encoded them: name its file by --vision-tokenizer")
        return None
    require_extra("lwm data inspect --vision-tokenizer", "vision", "av", "jax", "PIL")
    from lwm_cli.row_pictures import RowPictures

    prepared = {} if Path(target).is_file() else TokenStore.open(absolute(target), "").recipe["recipe"]
    return RowPictures(absolute(shown.vision_tokenizer), prepared.get("media", {}).get("tokenizer"))


def _draw(pictures: "RowPictures | None") -> Callable[[Segment], Iterator[str]] | None:
    """Shows a document's frames as lines, on terminals with 24-bit colours."""
    return pictures.terminal_lines if pictures is not None and os.environ.get("COLORTERM") in ("truecolor", "24bit") else None


def _title(run: RunConfig, row: RowView, number: int) -> str:
    filled = sum(len(each.tokens) for each in row.segments)
    share = f"{filled} of {row.length} places filled, {filled / row.length:.1%}"
    return f"{run.stage}, row {number}: data set {row.dataset}, {share}, documents: {len(row.segments)}"


def _run_of_file(target: str, options: DatasetOptions, shown: Shown) -> RunConfig:
    run = run_config_for(load_training(Path(target), options), options, options.dataset, shown.stage)
    length = shown.context_length or run.context_length
    return run.model_copy(update={"context_length": length, "batch_tokens": length * run.rows})


def _run_of_store(target: str, options: DatasetOptions, shown: Shown) -> RunConfig:
    """A run config of one row per step. Its model is never computed."""
    uri = absolute(target)
    if PREPARED not in folder(uri).names():
        raise FileError(f"{target}: neither a file nor the folder of a prepared data set: prepare it (lwm data prepare)")
    content = TokenStore.open(uri, "").recipe
    recipe, length = content["recipe"], shown.context_length or CONTEXT_LENGTH
    dataset = Dataset.read(recipe["dataset"] | {"name": "prepared", "uri": content["source"], "prepared": uri})
    vision = {"vision": {"vocabSize": recipe["visionVocabSize"]}} if "visionVocabSize" in recipe else {}
    shape = {"layers": 1, "width": 8, "heads": 1, "kvHeads": 1, "headDim": 8, "mlpWidth": 8}
    return RunConfig.model_validate(
        {
            "training": "inspect",
            "stage": Path(uri).name,
            "stageIndex": 0,
            "stageCount": 1,
            "attempt": 1,
            "gang": {"job": "x", "service": "x", "hosts": 1, "devicesPerHost": 1, "platform": "cpu", "coordinator": "x:1"},
            "mesh": {},
            "model": shape | {"vocabSize": recipe["vocabSize"]} | vision,
            "tokenizer": absolute(options.tokenizer or content["tokenizer"]),
            "datasets": [dataset],
            "contextLength": length,
            "batchTokens": length,
            "ropeTheta": 1e4,
            "steps": 1,
            "checkpoint": {"root": "/none", "saveIntervalSteps": 1},
        }
    )
