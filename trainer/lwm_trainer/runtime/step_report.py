"""The numbers of one finished step, in one record that the step line, the metrics, the Lease and the record of the stage all read."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lwm_trainer.config import STEP_LINE_PREFIX, ValidationLoss
from lwm_trainer.runtime import console
from lwm_trainer.runtime.device_memory import DeviceMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Made once per step, when its numbers have arrived on the host."""

    step: int
    """Steps done in this stage, this one included."""
    loss: float
    """Mean cross-entropy in nats a target; not finite where training diverged."""
    grad_norm: float
    """Global L2 norm of the gradient, before clipping."""
    tokens_hash: int
    """uint32 of the step's tokens, targets and weights."""
    modality_losses: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Mean cross-entropy of each modality's targets, NaN where the batch has none; empty without a vision vocabulary."""
    skipped: bool | None = None
    """Whether the step was skipped because its gradient is a spike; None in a stage that skips none."""
    seconds: float
    """Wall time of the step."""
    batch_tokens: int
    """Tokens of the global batch, without padding."""
    tokens_seen: int
    """Tokens since the stage began, without padding."""
    batch_positions: int
    """Tokens of the global batch with padding."""
    param_norm: float
    """Global L2 norm of the parameters after the step."""
    data_wait_seconds: float = 0.0
    """How long the devices waited for the step's batch."""
    save_seconds: float = 0.0
    """How long training waited for the saves between the step before and this one; no part of `seconds`."""
    memory: DeviceMemory | None = None
    """Memory of this host's fullest device; None for devices that do not count it."""
    mfu: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Model FLOPs utilization by definition; empty where the devices' peak is not known."""
    finished_at: float = 0.0
    """Unix time at which the numbers had arrived; 0: unknown."""

    @property
    def tokens_per_second(self) -> float:
        """Throughput of all hosts together."""
        return self.batch_tokens / self.seconds

    @property
    def fill(self) -> float:
        """Share of the step's positions that are no padding."""
        return self.batch_tokens / self.batch_positions

    @property
    def diverged(self) -> bool:
        return not (math.isfinite(self.loss) and math.isfinite(self.grad_norm))


def print_validation_line(loss: ValidationLoss) -> None:
    """Print the loss of one held-out data set in one modality."""
    console.say(f"validation after step {loss.step}: {loss.dataset}, {loss.modality}: loss {loss.loss:.4f} of {loss.targets} targets")


def print_step_line(report: StepReport) -> None:
    """Print the step as one line, the prefix and JSON; a number that is not finite becomes null.

    Gloo prints to the same stream from native code, so look for the prefix anywhere in a line.
    """
    numbers = {
        "step": report.step,
        "loss": report.loss,
        **{f"{modality}Loss": loss for modality, loss in report.modality_losses.items()},
        "gradNorm": report.grad_norm,
        "paramNorm": report.param_norm,
        **({} if report.skipped is None else {"skipped": report.skipped}),
        "tokensPerSecond": report.tokens_per_second,
        "stepSeconds": report.seconds,
        "dataWaitSeconds": report.data_wait_seconds,
        **{f"mfu{name.capitalize()}": share for name, share in report.mfu.items()},
        "tokensSeen": report.tokens_seen,
    }
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    console.say(f"{STEP_LINE_PREFIX}{json.dumps(finite)}")
