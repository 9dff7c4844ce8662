"""What a checkpoint of the proof knows: recall by length and depth, in trained and other words, JSON values, and the loss by position."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.evaluation.ask import make_ask, tokenizer_of
from lwm_trainer.evaluation.haystack import open_texts
from lwm_trainer.evaluation.perplexity import buckets, document_losses
from lwm_trainer.evaluation.results import cells, overall
from lwm_trainer.evaluation.run_suite import run_suite
from lwm_trainer.evaluation.suite import Suite, Tokens, even_depths
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.load import generator_of, load_tokenizer
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.token_scores import TokenScorer
from lwm_trainer.sampling.vocabulary import make_vocabulary
from lwm_trainer.sampling.weights import open_weights
from quickstart.proof.recall_suite import RecallSettings, RecallSuite, Wording

LENGTHS = (128, 256, 512, 1024, 2048)
ROUNDS = 10
JSON_LENGTHS, JSON_ROUNDS = (256, 1024), 5


def load(checkpoint: str, tokenizer: Path, context: int) -> Generator:
    """The model with room for `context` tokens, also where its stage had fewer."""
    weights = open_weights(checkpoint)
    mesh = make_mesh(config.Mesh())
    vocabulary = make_vocabulary(weights.model, load_tokenizer(weights, str(tokenizer)), config.Frames())
    params = weights.load(weights.model, mesh)
    return generator_of(weights.model, weights.rope_theta, params, mesh, vocabulary, context, weights.precision)


def evaluate(checkpoint: str, data: Path, out: Path, *, whole: bool) -> dict[str, Any]:
    """Ask the suites; answers are kept in `out`, so that the same call goes on.

    Args:
        whole: also ask what no training has taught, and score held-out books.
    """
    out.mkdir(parents=True, exist_ok=True)
    generator = load(checkpoint, data / "tokenizer.json", LENGTHS[-1])
    tokenize, texts = tokenizer_of(generator.vocabulary), open_texts(str(data / "held-out"), "text")

    def recall(wording: Wording) -> Suite:
        return RecallSuite(RecallSettings(lengths=LENGTHS, rounds=ROUNDS, wording=wording), texts, tokenize)

    suites: dict[str, Callable[[], Suite]] = {"recall": lambda: recall("trained")}
    if whole:
        pairs = JsonKvSettings(lengths=JSON_LENGTHS, depths=even_depths(4), rounds=JSON_ROUNDS)
        suites |= {"recall-other": lambda: recall("other"), "json-kv": lambda: JsonKvSuite(pairs, tokenize)}
    made: dict[str, Any] = {}
    for name, make in suites.items():
        suite = make()
        answers = list(run_suite(suite, checkpoint, "forced", make_ask(generator, suite, "forced"), out / f"{name}.jsonl"))
        made[name] = {
            "score": overall(answers),
            "cells": [cell._asdict() for cell in cells(answers, by_depth=True)],
            "lengths": [cell._asdict() for cell in cells(answers, by_depth=False)],
        }
    if whole:
        scorer = TokenScorer(generator.engine)

        def score(tokens: Tokens) -> NDArray[np.float32]:
            return scorer.score(generator.vocabulary.begin(), text_row(tokens)).log_probability

        losses = document_losses(texts(), {"subject": checkpoint}, LENGTHS[-1] - 1, 100, tokenize, score, out / "positions.jsonl")
        made["positions"] = [bucket._asdict() for bucket in buckets(list(losses))]
    return made
