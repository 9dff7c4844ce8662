"""`uv run --with lm-eval==0.4.13 python -m benchmarks.harness CHECKPOINT`: lm-evaluation-harness itself on our engine, without network.

Three tasks of our own, one for each kind of request, over the Bible. The log-likelihood of texts that the harness reports is compared with
what `lwm eval perplexity` counts for them.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from quickstart.sample_texts import books, chats
from quickstart.storage import SHORT_BOOKS

QUESTIONS = 20
TOLERANCE = 1e-4
"""Relative difference of the two log-likelihoods, at most: the harness has windows, ours has one text."""


def write_tasks(folder: Path) -> list[str]:
    """Write the tasks and their data; returns their names."""
    conversations = chats()[:QUESTIONS]
    follows = [
        {"context": each[0]["content"], "choices": [f" {each[1]['content']}", f" {other[1]['content']}"]}
        for each, other in zip(conversations, conversations[1:] + conversations[:1], strict=True)
    ]
    texts = [{"text": text[:600]} for name, text in books().items() if name[3:].removesuffix(".txt") in SHORT_BOOKS]
    tasks: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
        "lwm_follows": (
            follows,
            {
                "output_type": "multiple_choice",
                "doc_to_text": "{{context}}",
                "doc_to_target": 0,
                "doc_to_choice": "{{choices}}",
                "metric_list": [{"metric": "acc"}],
            },
        ),
        "lwm_books": (
            texts,
            {
                "output_type": "loglikelihood_rolling",
                "doc_to_text": "",
                "doc_to_target": "{{text}}",
                "metric_list": [{"metric": "byte_perplexity"}],
            },
        ),
        "lwm_goes_on": (
            [{"context": each["text"][:80], "target": each["text"][80:90]} for each in texts],
            {
                "output_type": "generate_until",
                "doc_to_text": "{{context}}",
                "doc_to_target": "{{target}}",
                "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8},
                "metric_list": [{"metric": "exact_match"}],
            },
        ),
    }
    for name, (records, fields) in tasks.items():
        data = folder / f"{name}.jsonl"
        data.write_text("".join(json.dumps(record) + "\n" for record in records))
        source = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **source, **fields}))
    return list(tasks)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness", description=__doc__)
    parser.add_argument("checkpoint", help="what `lwm sample` takes")
    parser.add_argument("--tokenizer", help="its tokenizer.json, where it does not lie with it")
    options = parser.parse_args(arguments)
    model = f"checkpoint={options.checkpoint}" + (f",tokenizer={options.tokenizer}" if options.tokenizer else "")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tasks = write_tasks(folder)
        command = [sys.executable, "-m", "lwm_cli.harness", "run", "--model", "lwm", "--model_args", model, "--tasks", ",".join(tasks)]
        command += ["--include_path", str(folder), "--output_path", str(folder / "out"), "--log_samples"]
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
        subprocess.run(command, check=True, env=os.environ | offline)
        (results,) = (folder / "out").rglob("results_*.json")
        figures = json.loads(results.read_text())["results"]
        texts = folder / "texts"
        texts.mkdir()
        lines = [json.loads(line)["text"] for line in (folder / "lwm_books.jsonl").read_text().splitlines()]
        for number, text in enumerate(lines):
            (texts / f"{number}.txt").write_text(text)
        ours = [
            sys.executable,
            "-m",
            "lwm_cli",
            "eval",
            "perplexity",
            options.checkpoint,
            "--text",
            str(texts),
            "--out",
            str(folder / "ours"),
        ]
        subprocess.run([*ours, *(["--tokenizer", options.tokenizer] if options.tokenizer else [])], check=True)
        documents = [json.loads(line) for line in (folder / "ours" / "documents.jsonl").read_text().splitlines()[1:]]
    total = sum(sum(document["sums"]) for document in documents)
    wanted = math.exp(total / sum(len(text.encode()) for text in lines))
    reported = figures["lwm_books"]["byte_perplexity,none"]
    print(json.dumps(figures, indent=1))
    print(f"byte perplexity: {reported:.6f} by the harness, {wanted:.6f} by `lwm eval perplexity`")
    return 0 if abs(reported - wanted) <= TOLERANCE * wanted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
