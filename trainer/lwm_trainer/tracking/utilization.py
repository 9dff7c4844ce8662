"""Model FLOPs utilization (MFU): the share of the devices' peak rate that a step's useful work comes to, by two definitions."""

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.estimate.flops import parameter_counts, step_flops


class Utilization:
    """MFU of a stage's steps.

    Work is counted as in PaLM (Chowdhery et al. 2022, appendix B): forward and backward pass, nothing that is computed again.
    """

    def __init__(self, run: RunConfig, device_flops: float | None) -> None:
        """`device_flops`: peak rate of one device in FLOP/s; None: unknown."""
        counts = parameter_counts(run.model)
        self._peak = device_flops and device_flops * run.gang.hosts * run.gang.devices_per_host
        self._flops = {
            "model": float(step_flops(run).model),
            "parameters": 6.0 * run.batch_tokens * (run.model.layers * counts.layer + counts.head),
        }

    def of_step(self, seconds: float) -> dict[str, float]:
        """MFU of a step that took `seconds`, by definition; empty where the peak is not known.

        model: matrix products of the parameters, and causal attention over whole rows. parameters: without attention.
        """
        return {name: flops / seconds / self._peak for name, flops in self._flops.items()} if self._peak else {}
