"""Validation of a stage: the same batches of held-out documents after some of its steps."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from lwm_trainer import config
from lwm_trainer.config import Phase, PositionLoss, ValidationLoss
from lwm_trainer.data.documents.span import DocumentSource
from lwm_trainer.data.errors import DataMissingError
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.model.llama import Params
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.global_batch import GlobalBatches
from lwm_trainer.step.train_step import TrainProgram
from lwm_trainer.step.validation_step import ValidationStep, make_validation_step


def validation_run(run: config.RunConfig, dataset: config.Dataset) -> config.RunConfig:
    """The run of one held-out data set, whose batches have the rows of a microbatch: what a step holds at once, validation holds too."""
    parts = run.memory.gradient_accumulation_steps
    alone = {"datasets": (dataset,), "batch_tokens": run.batch_tokens // parts, "start": config.Start(), "loss": config.Loss()}
    return run.model_copy(update=alone)


class Validation:
    """The held-out batches of a stage, and the program that computes their loss."""

    def __init__(
        self,
        run: config.RunConfig,
        settings: config.Validation,
        mesh: config.Mesh,
        program: TrainProgram,
        step: ValidationStep,
        documents: Mapping[str, DocumentSource],
    ) -> None:
        """`documents` holds the held-out data sets by name. Raises the errors of `Batches`."""
        self._step, self._settings, self._steps = step, settings, run.steps
        self._feeds: dict[str, tuple[GlobalBatches, int]] = {}
        self.summaries: list[str] = []
        """A line for each data set: how much of it is read."""
        for dataset in settings.datasets:
            alone = validation_run(run, dataset)
            batches = Batches(alone, documents)
            (rows,) = batches.first_epoch_rows
            wanted = settings.batches * run.rows // alone.rows
            count = max(1, min(wanted, rows // alone.rows))
            self._feeds[dataset.name] = GlobalBatches(alone, mesh, batches, program.batch_sharding), count
            self.summaries.append(f"validation: {count * alone.rows} rows, of which {dataset.name} has {rows}")

    def due(self, done: int) -> bool:
        """Whether the stage is validated after `done` steps."""
        return self._settings.due(done, self._steps)

    def run(self, done: int, params: Params, tracker: PhaseTracker, stop_requested: Callable[[], bool]) -> list[ValidationLoss] | None:
        """The losses after `done` steps, equal on all hosts. Hang detection sees each batch.

        Returns None where `stop_requested`, which is asked before each batch, says so: a validation may be longer than the time that a pod
        has to leave. Raises DataMissingError where no batch has a target.
        """
        losses = []
        for name, (feed, count) in self._feeds.items():
            entropy: defaultdict[tuple[str, int], float] = defaultdict(float)
            targets: Counter[tuple[str, int]] = Counter()
            for number in range(count):
                if stop_requested():
                    return None
                with tracker.during(Phase.VALIDATING):
                    sums = jax.device_get(self._step(params, feed.batch(number)))
                for modality, of_batch in sums.items():
                    for place in range(len(of_batch.targets_K)):
                        entropy[modality, place] += float(of_batch.entropy_K[place])
                        targets[modality, place] += int(of_batch.targets_K[place])
            for modality in sums:
                places = [place for key, place in sorted(targets) if key == modality and targets[key, place]]
                if places:
                    losses.append(
                        _loss(done, name, modality, [(place, entropy[modality, place], targets[modality, place]) for place in places])
                    )
        if not losses:
            raise DataMissingError(f"validation.datasets: no batch of {', '.join(self._feeds)} has a target: name other data sets")
        return losses


def _loss(done: int, dataset: str, modality: str, sums: Sequence[tuple[int, float, int]]) -> ValidationLoss:
    total = sum(targets for _, _, targets in sums)
    return ValidationLoss(
        step=done,
        dataset=dataset,
        modality=modality,
        loss=sum(entropy for _, entropy, _ in sums) / total,
        targets=total,
        positions=tuple(PositionLoss(end=2**place, loss=entropy / targets, targets=targets) for place, entropy, targets in sums),
    )


def mean_loss(losses: Sequence[ValidationLoss]) -> float:
    """The mean over all targets of all data sets and modalities."""
    return float(np.average([each.loss for each in losses], weights=[each.targets for each in losses]))


def compile_validation(run: config.RunConfig, device_mesh: jax.sharding.Mesh, program: TrainProgram) -> ValidationStep:
    """The validation step for the program's parameters, compiled."""
    alone = validation_run(run, run.datasets[0])
    step: Any = make_validation_step(alone, device_mesh)
    compiled: ValidationStep = step.lower(program.abstract_state["params"], abstract_batch(alone, program.batch_sharding)).compile()
    return compiled
