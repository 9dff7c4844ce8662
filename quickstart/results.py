"""Results of a complete training, read from its bucket or claim: the training record in each stage's final checkpoint, and whether it
learned."""

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_operator.api.names import CHECKPOINT_PATH
from lwm_trainer.config import RunConfig, ValidationLoss
from quickstart.claim import NAME, Claim
from quickstart.learning_check import LearningCheck, check_learning, same_tokens_entropy
from quickstart.storage import use_endpoint
from tools.kubectl import CommandError, Kubectl


@dataclass(frozen=True)
class StageRecord:
    """One stage, read from its final checkpoint. Arrays are [steps]: loss in nats per token, hash of the step's tokens."""

    name: str
    checkpoint: str
    context_length: int
    rope_theta: float
    losses: NDArray[np.float32]
    grad_norms: NDArray[np.float32]
    tokens_hash: NDArray[np.uint32]
    by_modality: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Losses of text targets and of vision targets, NaN where a step has none; empty for a stage that sees text only."""
    validations: tuple[ValidationLoss, ...] = ()
    folder: str = ""
    """Where `checkpoint` was read: itself, or a copy."""

    @property
    def validation_loss(self) -> float | None:
        """Mean loss of all targets of the last validation; None without one."""
        last = [each for each in self.validations if each.step == self.validations[-1].step]
        return float(np.average([each.loss for each in last], weights=[each.targets for each in last])) if last else None


def read_stage(checkpoint: str, endpoint: str | None = None) -> StageRecord:
    """Reads the Orbax step folder `checkpoint` (gs:// or a path) with one process and no accelerator."""
    use_endpoint(endpoint)
    from lwm_trainer.checkpoint.checkpointer import read_record
    from lwm_trainer.checkpoint.manifest import read_manifest
    from lwm_trainer.checkpoint.training_record import MODALITIES

    manifest = read_manifest(checkpoint)
    record = read_record(checkpoint, manifest.step)
    return StageRecord(
        name=manifest.stage,
        checkpoint=checkpoint,
        folder=checkpoint,
        context_length=manifest.context_length,
        rope_theta=manifest.rope_theta,
        losses=record.losses,
        grad_norms=record.arrays["grad_norm_bits"].view(np.float32),
        tokens_hash=record.arrays["tokens_hash"],
        validations=tuple(record.validations),
        by_modality={name: record.modality_losses(name) for name in MODALITIES} if manifest.model.vision is not None else {},
    )


def from_bucket(kubectl: Kubectl, training: dict[str, Any], endpoint: str | None = None) -> tuple[list[StageRecord], LearningCheck]:
    """Reads from an emulator at `endpoint`, or from Google itself."""
    stages = [read_stage(stage["finalCheckpoint"]["path"], endpoint) for stage in training["status"]["stages"]]
    entropy = same_tokens_entropy(last_run_config(kubectl, training), stages[-1].tokens_hash, endpoint)
    return stages, check_learning(stages[-1].losses, entropy)


def from_claim(claim: Claim, training: dict[str, Any], folder: Path) -> tuple[list[StageRecord], LearningCheck]:
    """Reads a copy of the data and of the final checkpoints, which it puts into `folder`."""
    paths = [
        f"runs/{PurePosixPath(stage['finalCheckpoint']['path']).relative_to(CHECKPOINT_PATH)}" for stage in training["status"]["stages"]
    ]
    claim.fetch(["books", "tokenizer", *paths], folder)
    stages = [replace(read_stage(str(folder / path)), checkpoint=f"claim {NAME}: {path}") for path in paths]
    config = reading_from(last_run_config(claim.kubectl, training), folder)
    return stages, check_learning(stages[-1].losses, same_tokens_entropy(config, stages[-1].tokens_hash))


def reading_from(config: RunConfig, folder: Path) -> RunConfig:
    """The run's config with data and tokenizer in a copy of the claim."""
    datasets = tuple(dataset.model_copy(update={"uri": str(folder / dataset.name)}) for dataset in config.datasets)
    return config.model_copy(update={"tokenizer": str(folder / "tokenizer" / "tokenizer.json"), "datasets": datasets})


def last_run_config(kubectl: Kubectl, training: dict[str, Any]) -> RunConfig:
    """Config of the last attempt of the last stage."""
    stages = training["status"]["stages"]
    return run_config(kubectl, training["metadata"]["name"], len(stages), stages[-1]["attempts"])


def run_config(kubectl: Kubectl, name: str, stage: int, attempt: int) -> RunConfig:
    """Config that the attempt (from 1) of the stage (from 1) ran with. Raises CommandError when its ConfigMap is gone."""
    config_map = kubectl.get("configmap", f"{name}-s{stage}-a{attempt}")
    if not config_map:
        raise CommandError(f"ConfigMap {name}-s{stage}-a{attempt} is gone, so its tokens cannot be counted: run the training again")
    return RunConfig.model_validate_json(config_map["data"]["run.json"])
