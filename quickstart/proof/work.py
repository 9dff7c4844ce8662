"""What a stage has cost: operations, answers that it has learned from, seconds of its steps."""

import numpy as np

from lwm_trainer.config import RunConfig
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.fit.estimate.flops import step_flops
from quickstart.proof.data import KINDS


def count_work(run: RunConfig) -> dict[str, float]:
    """Model FLOPs, tokens and recall answers of all steps of a stage, its batches made once more: attention is counted within documents."""
    tokenizer = Tokenizer.load(run.tokenizer, run.model.vocab_size)
    batches = Batches(run, load_documents(run, tokenizer))
    words = [int(tokens[0]) for tokens in tokenizer.tokenize([f" {word}" for answers in KINDS.values() for word in answers])]
    flops = tokens = answers = 0
    for step in range(run.steps):
        batch = batches.batch(step)
        index, start = batch["index"], batch["start"]
        lengths: list[int] = []
        for row_index, row_start in zip(np.asarray(index), np.asarray(start), strict=True):
            inside = row_start <= row_index
            _, counts = np.unique(row_start[inside], return_counts=True)
            lengths += [*counts.tolist(), *[1] * int((~inside).sum())]
            tokens += int(inside.sum())
        flops += step_flops(run, lengths).model
        targets, weights = np.asarray(batch["targets"]), np.asarray(batch["weights"])
        answers += int((np.isin(targets, words) & (weights > 0)).sum())
    return {"flops": float(flops), "tokens": float(tokens), "answers": float(answers)}
