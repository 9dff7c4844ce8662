"""From the committed record of a stage to the points of its curves. Pure, so that every attempt makes the same points of the same steps."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.checkpoint.training_record import MODALITIES, SKIPPED, Record
from lwm_trainer.config import RunConfig
from lwm_trainer.tracking.tracker import Point
from lwm_trainer.tracking.utilization import Utilization

SCALARS = {
    "train/loss": "Mean loss of the step's targets, nats",
    "train/text_loss": "Mean loss of the step's text targets, nats; with a vision vocabulary",
    "train/vision_loss": "Mean loss of the step's vision targets, nats; with a vision vocabulary",
    "train/grad_norm": "Norm of the step's gradient, before clipping",
    "train/param_norm": "Norm of the parameters after the step",
    "train/learning_rate": "Learning rate of the step",
    "train/skipped": "1 where the step was skipped as a spike; in a stage that skips spikes",
    "train/tokens": "Tokens since the stage began, without padding",
    "validation/<data set>/<modality>_loss": "Mean loss of a held-out data set's targets of a modality, nats",
    "throughput/step_seconds": "Wall time of the step",
    "throughput/tokens_per_second": "Tokens a second, all hosts together, without padding",
    "throughput/data_wait_seconds": "How long the devices waited for the step's batch",
    "throughput/save_seconds": "How long training waited for a save before the step; where it did",
    "throughput/memory_peak_bytes": "The most memory in use so far in an attempt, of the device of host 0 that uses most",
    "throughput/fill": "Share of the step's positions that are no padding",
    "throughput/mfu": "Share of the peak FLOP/s (bfloat16): matrix products of the parameters, and causal attention over whole rows",
    "throughput/mfu_parameters": "The same without attention: 6 FLOPs for each parameter that is multiplied and each position",
}
"""Every scalar with its meaning. MFU is known for the devices of `peak_flops`."""


_MFU = {"throughput/mfu": "model", "throughput/mfu_parameters": "parameters"}


class Curves:
    """The points of a stage's curves."""

    def __init__(self, run: RunConfig, record: Record, learning_rates: NDArray[np.float32], device_flops: float | None) -> None:
        """`record` may grow while points are made. `learning_rates`: by updates done; `device_flops`: peak of one device, None: unknown."""
        self._run, self._record, self._rates = run, record, learning_rates
        self._utilization = Utilization(run, device_flops)

    def points(self, after: int, until: int) -> Iterator[Point]:
        """The points of the steps `after` + 1 to `until`, which must be in the record.

        A validation before the first step is point 0.
        """
        measurements = self._record.measurements
        skipped = self._record.arrays.get(SKIPPED)
        tokens_seen, all_known = int(measurements.tokens[:after].sum(dtype=np.int64)), bool(measurements.tokens[:after].all())
        updates = after - (int(skipped[:after].sum()) if skipped is not None else 0)
        if after == 0 and (scalars := self._validation(0)):
            yield Point(step=0, finished_at=0.0, scalars=scalars)
        for index in range(after, until):
            tokens = int(measurements.tokens[index])
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
            scalars |= self._throughput(index) | self._validation(index + 1)
            finite = {name: value for name, value in scalars.items() if math.isfinite(value)}
            yield Point(step=index + 1, finished_at=float(measurements.finished_at[index]), scalars=finite)
            updates += 1 if skipped is None else 1 - int(skipped[index])

    def _throughput(self, index: int) -> dict[str, float]:
        """Empty for a step of which no time is known; of what was not measured there is nothing."""
        measured = {name: float(array[index]) for name, array in self._record.measurements.arrays.items()}
        if not (seconds := measured["seconds"]):
            return {}
        rates = {
            "throughput/step_seconds": seconds,
            "throughput/tokens_per_second": measured["tokens"] / seconds,
            "throughput/fill": measured["tokens"] / self._run.batch_tokens,
        }
        if norm := measured["param_norm"]:  # a trainer that measured it measured the wait, too
            rates |= {"train/param_norm": norm, "throughput/data_wait_seconds": measured["data_wait_seconds"]}
        rates |= {f"throughput/{name}": measured[name] for name in ("save_seconds", "memory_peak_bytes") if measured[name]}
        mfu = self._utilization.of_step(seconds)
        return rates | {name: mfu[definition] for name, definition in _MFU.items() if definition in mfu}

    def _validation(self, step: int) -> dict[str, float]:
        return {f"validation/{each.dataset}/{each.modality}_loss": each.loss for each in self._record.validated(step)}
