"""`lwm data inspect FILE.yaml|PLACE`: one row as training sees it, as text that people can read."""

import argparse
import sys
from pathlib import Path

from lwm_cli.data_asked import add_arguments, place, run_of, training_of
from lwm_cli.data_rows import Row, draw, row_of
from lwm_cli.training import FileError
from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.documents.store_schema import PREPARED
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.storage.folder import folder

CONTEXT_LENGTH = 4096
"""Of rows of a store, which is of no stage."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lwm data inspect", description="One row as training sees it.")
    parser.add_argument("place", help="an LWMTraining's file, or the folder (gs:// too) of a prepared data set")
    add_arguments(parser)
    parser.add_argument("--stage", metavar="NAME", help="of the file (the first that draws on the data set)")
    parser.add_argument("--row", type=int, default=0, metavar="N", help="of the stage, from 0 (%(default)s)")
    parser.add_argument("--context-length", type=int, metavar="N", help=f"tokens of a row (the stage's; {CONTEXT_LENGTH} of a folder)")
    parser.add_argument("--whole", action="store_true", help="the whole text, not only the ends of long documents")
    given = parser.parse_args(arguments)
    if given.row < 0 or (given.context_length or 8) < 8:
        parser.error("--row counts from 0, --context-length is at least 8")
    run = _of_file(given) if Path(given.place).is_file() else _of_store(given)
    tokenizer = Tokenizer.load(run.tokenizer, run.model.vocab_size)
    row = row_of(run, load_documents(run, tokenizer), given.row)
    print(_title(run, row, given.row))
    for line in draw(row, tokenizer, colour=sys.stdout.isatty(), whole=given.whole):
        print(line)
    return 0


def _title(run: RunConfig, row: Row, number: int) -> str:
    filled = sum(len(each.tokens) for each in row.segments)
    share = f"{filled} of {row.length} places filled, {filled / row.length:.1%}"
    return f"{run.stage}, row {number}: data set {row.dataset}, {share}, documents: {len(row.segments)}"


def _of_file(given: argparse.Namespace) -> RunConfig:
    run = run_of(training_of(Path(given.place), given), given, given.dataset, given.stage)
    length = given.context_length or run.context_length
    return run.model_copy(update={"context_length": length, "batch_tokens": length * run.rows})


def _of_store(given: argparse.Namespace) -> RunConfig:
    """A run of one row a step, whose model is never computed."""
    uri = place(given.place)
    if PREPARED not in folder(uri).names():
        raise FileError(f"{given.place}: neither a file nor the folder of a prepared data set: prepare it (lwm data prepare)")
    about = TokenStore.open(uri, "").recipe
    made_by, length = about["recipe"], given.context_length or CONTEXT_LENGTH
    dataset = Dataset.model_validate(made_by["dataset"] | {"name": "prepared", "uri": about["source"], "prepared": uri})
    vision = {"vision": {"vocabSize": made_by["visionVocabSize"]}} if "visionVocabSize" in made_by else {}
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
            "model": shape | {"vocabSize": made_by["vocabSize"]} | vision,
            "tokenizer": place(given.tokenizer or about["tokenizer"]),
            "datasets": [dataset],
            "contextLength": length,
            "batchTokens": length,
            "ropeTheta": 1e4,
            "steps": 1,
            "checkpoint": {"root": "/none", "saveIntervalSteps": 1},
        }
    )
