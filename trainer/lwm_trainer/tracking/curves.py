"""From the committed record of a stage to the points of its curves. Pure, so that every attempt makes the same points of the same steps."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.checkpoint.training_record import MODALITIES, SKIPPED, Record
from lwm_trainer.config import RunConfig
from lwm_trainer.fit.estimate.flops import parameter_counts, step_flops
from lwm_trainer.tracking.tracker import Point

SCALARS = {
    "train/loss": "Mean loss of the step's targets, nats",
    "train/text_loss": "Mean loss of the step's text targets, nats; with a vision vocabulary",
    "train/vision_loss": "Mean loss of the step's vision targets, nats; with a vision vocabulary",
    "train/grad_norm": "Norm of the step's gradient, before clipping",
    "train/learning_rate": "Learning rate of the step",
    "train/skipped": "1 where the step was skipped as a spike; in a stage that skips spikes",
    "train/tokens": "Tokens since the stage began, without padding",
    "validation/<data set>/<modality>_loss": "Mean loss of a held-out data set's targets of a modality, nats",
    "throughput/step_seconds": "Wall time of the step",
    "throughput/tokens_per_second": "Tokens a second, all hosts together, without padding",
    "throughput/fill": "Share of the step's positions that are no padding",
    "throughput/mfu": "Share of the peak FLOP/s (bfloat16): matrix products of the parameters, and causal attention over whole rows",
    "throughput/mfu_parameters": "The same without attention: 6 FLOPs for each parameter that is multiplied and each position",
}
"""Every scalar with its meaning. MFU is known for the devices of `peak_flops`."""


class Curves:
    """The points of a stage's curves."""

    def __init__(self, run: RunConfig, record: Record, learning_rates: NDArray[np.float32], device_flops: float | None) -> None:
        """`record` may grow while points are made. `learning_rates`: by updates done; `device_flops`: peak of one device, None: unknown."""
        self._run, self._record, self._rates = run, record, learning_rates
        self._peak = device_flops and device_flops * run.gang.hosts * run.gang.devices_per_host
        counts = parameter_counts(run.model)
        self._model_flops = step_flops(run).model
        self._parameter_flops = 6 * run.batch_tokens * (run.model.layers * counts.layer + counts.head)

    def points(self, after: int, until: int) -> Iterator[Point]:
        """The points of the steps `after` + 1 to `until`, which must be in the record.

        A validation before the first step is point 0.
        """
        timings = self._record.timings
        skipped = self._record.arrays.get(SKIPPED)
        tokens_seen, all_known = int(timings.tokens[:after].sum(dtype=np.int64)), bool(timings.tokens[:after].all())
        updates = after - (int(skipped[:after].sum()) if skipped is not None else 0)
        if after == 0 and (scalars := self._validation(0)):
            yield Point(step=0, finished_at=0.0, scalars=scalars)
        for index in range(after, until):
            tokens, seconds = int(timings.tokens[index]), float(timings.seconds[index])
            tokens_seen, all_known = tokens_seen + tokens, all_known and tokens > 0
            scalars = {
                "train/loss": float(self._record.losses[index]),
                "train/grad_norm": float(self._record.grad_norms[index]),
                "train/learning_rate": float(self._rates[updates]),
            }
            for modality in MODALITIES:
                if f"{modality}_loss_bits" in self._record.arrays:
                    scalars[f"train/{modality}_loss"] = float(self._record.modality_losses(modality)[index])
            if skipped is not None:
                scalars["train/skipped"] = float(skipped[index])
            if all_known:
                scalars["train/tokens"] = float(tokens_seen)
            scalars |= self._throughput(seconds, tokens) | self._validation(index + 1)
            finite = {name: value for name, value in scalars.items() if math.isfinite(value)}
            yield Point(step=index + 1, finished_at=float(timings.finished_at[index]), scalars=finite)
            updates += 1 if skipped is None else 1 - int(skipped[index])

    def _throughput(self, seconds: float, tokens: int) -> dict[str, float]:
        """Empty for a step of which no timing is known."""
        if not seconds:
            return {}
        rates = {
            "throughput/step_seconds": seconds,
            "throughput/tokens_per_second": tokens / seconds,
            "throughput/fill": tokens / self._run.batch_tokens,
        }
        if self._peak:
            rates["throughput/mfu"] = self._model_flops / seconds / self._peak
            rates["throughput/mfu_parameters"] = self._parameter_flops / seconds / self._peak
        return rates

    def _validation(self, step: int) -> dict[str, float]:
        return {f"validation/{each.dataset}/{each.modality}_loss": each.loss for each in self._record.validated(step)}
