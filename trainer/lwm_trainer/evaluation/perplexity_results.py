"""What the losses of documents add up to: a table, a file as lm_eval has it, and a curve."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwm_trainer.evaluation.perplexity import Bucket, DocumentLoss, buckets, total_loss

VERSION = 1


def perplexity_table(rows: Sequence[Bucket]) -> str:
    """A line for each bucket."""
    lines = [f"{'positions':>21}  {'tokens':>11}  {'documents':>9}  {'loss':>24}  {'perplexity':>10}"]
    for row in rows:
        span = f"{row.first:,}" if row.first == row.last else f"{row.first:,}-{row.last:,}"
        loss = f"{row.loss:.4f} [{row.low:.4f}-{row.high:.4f}]"
        lines.append(f"{span:>21}  {row.tokens:>11,}  {row.documents:>9,}  {loss:>24}  {row.perplexity:>10,.2f}")
    return "\n".join(lines)


def perplexity_results(documents: Sequence[DocumentLoss], subject: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The results in the form of lm_eval's, with our buckets beside."""
    loss, task = total_loss(documents), "perplexity"
    return {
        "results": {task: {"alias": task, "loss,none": loss, "token_perplexity,none": math.exp(loss)}},
        "group_subtasks": {task: []},
        "configs": {task: {"task": task, "metadata": {"version": VERSION, **settings}}},
        "versions": {task: VERSION},
        "n-shot": {task: 0},
        "higher_is_better": {task: {"loss": False, "token_perplexity": False}},
        "n-samples": {task: {"original": len(documents), "effective": len(documents)}},
        "config": {"model": "lwm", "model_args": subject},
        "suite": task,
        "tokens": sum(document.tokens for document in documents),
        "left_out_tokens": sum(document.left_out for document in documents),
        "buckets": [{**row._asdict(), "perplexity": row.perplexity} for row in buckets(documents)],
    }


def draw_perplexity(rows: Sequence[Bucket], title: str, path: Path) -> None:
    """Write a picture of the loss by position, with its interval. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    middles = [math.sqrt((row.first + 1) * (row.last + 1)) for row in rows]
    axes.fill_between(middles, [row.low for row in rows], [row.high for row in rows], alpha=0.25, linewidth=0)
    axes.plot(middles, [row.loss for row in rows], marker="o", markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("position in the document, from 1")
    axes.set_ylabel("loss, nats per token")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
