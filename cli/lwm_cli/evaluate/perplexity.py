"""What `lwm eval perplexity` does: the loss of documents by position."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from lwm_cli.generation_options import take_checkpoint, take_generator
from lwm_trainer.evaluation.haystack import open_texts
from lwm_trainer.evaluation.perplexity import DocumentLoss, buckets, document_losses
from lwm_trainer.evaluation.perplexity_results import draw_perplexity, perplexity_results, perplexity_table
from lwm_trainer.evaluation.results import RESULTS
from lwm_trainer.evaluation.suite import Tokens
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.token_scores import TokenScorer
from lwm_trainer.storage.absolute import absolute_uri

LOSSES, CURVE = "documents.jsonl", "perplexity.png"


def evaluate_perplexity(text: str, text_field: str, length: int | None, documents: int, out: Path, **options: Any) -> int:
    """Score documents by position. Returns the exit code. Raises UsageError, and what loading raises."""
    texts = open_texts(absolute_uri(text), text_field, "--text")
    source = take_checkpoint(options)
    context = options["context"] or source.weights.context_length
    if length is not None and length > context:
        raise click.UsageError(f"--length: {length} tokens are more than the model's context of {context}")
    generator = take_generator(options, reserve=False, source=source)
    scorer, vocabulary = TokenScorer(generator.engine), generator.vocabulary

    def tokenize(document: str) -> Tokens:
        return vocabulary.encode(document).tokens

    def score(tokens: Tokens) -> NDArray[np.float32]:
        return scorer.score(vocabulary.begin(), text_row(tokens)).log_probability

    settings = {"text": text, "text_field": text_field, "length": length or context, "documents": documents}
    run, subject = {"subject": source.weights.place, **settings}, source.weights.place
    out.mkdir(parents=True, exist_ok=True)
    scored: list[DocumentLoss] = []
    for document in document_losses(texts(), run, length or context, documents, tokenize, score, out / LOSSES):
        scored.append(document)
        print(f"\r{len(scored)} documents, {sum(each.tokens for each in scored):,} tokens", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = buckets(scored)
    draw_perplexity(rows, f"loss by position, {len(scored)} documents", out / CURVE)
    (out / RESULTS).write_text(json.dumps(perplexity_results(scored, subject, settings), indent=1) + "\n", encoding="utf-8")
    print(perplexity_table(rows))
    if left_out := sum(document.left_out for document in scored):
        print(f"{left_out:,} tokens stand beyond position {length or context:,} of their documents and are not scored")
    print(f"{out}/{CURVE}, {RESULTS}, {LOSSES}")
    return 0
