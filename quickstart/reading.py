"""What a complete training left, read back from wherever it lies: each stage's record, and the verdict on the last."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from lwm_operator.manifests.storage import CHECKPOINT_PATH
from lwm_trainer.config import RunConfig
from quickstart.claim import NAME, Claim
from quickstart.learned import Verdict, judge, same_tokens_entropy
from quickstart.record import StageRecord, read_stage
from quickstart.training import run_config
from tools.kubectl import Kubectl


def from_bucket(kubectl: Kubectl, training: dict[str, Any], endpoint: str | None = None) -> tuple[list[StageRecord], Verdict]:
    """From an emulator at `endpoint`, or from Google itself."""
    stages = [read_stage(stage["finalCheckpoint"]["path"], endpoint) for stage in training["status"]["stages"]]
    return stages, judge(stages[-1].losses, same_tokens_entropy(last_config(kubectl, training), stages[-1].tokens_hash, endpoint))


def from_claim(held: Claim, training: dict[str, Any], folder: Path) -> tuple[list[StageRecord], Verdict]:
    """From a copy of the data and of the final checkpoints, made in `folder`."""
    paths = [
        f"runs/{PurePosixPath(stage['finalCheckpoint']['path']).relative_to(CHECKPOINT_PATH)}" for stage in training["status"]["stages"]
    ]
    held.fetch(["books", "tokenizer", *paths], folder)
    stages = [replace(read_stage(str(folder / path)), checkpoint=f"claim {NAME}: {path}") for path in paths]
    config = here(last_config(held.kubectl, training), folder)
    return stages, judge(stages[-1].losses, same_tokens_entropy(config, stages[-1].tokens_hash))


def last_config(kubectl: Kubectl, training: dict[str, Any]) -> RunConfig:
    """What the last attempt of the last stage ran with."""
    stages = training["status"]["stages"]
    return run_config(kubectl, training["metadata"]["name"], len(stages), stages[-1]["attempts"])


def here(config: RunConfig, folder: Path) -> RunConfig:
    """The run's config with data and tokenizer where the copy has them."""
    datasets = tuple(dataset.model_copy(update={"uri": str(folder / dataset.name)}) for dataset in config.datasets)
    return config.model_copy(update={"tokenizer": str(folder / "tokenizer" / "tokenizer.json"), "datasets": datasets})
