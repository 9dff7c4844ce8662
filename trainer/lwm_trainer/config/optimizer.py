"""The optimizer of a stage, its learning rate, and what is done with steps whose gradient is a spike."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lwm_trainer.config.contract import OLDEST_CONTRACT_VERSION, Contract

OptimizerName = Literal["adamw", "adafactor", "muon"]
Schedule = Literal["cosine", "constant", "wsd"]
ParameterKind = Literal["norms", "embeddings", "heads"]

FINAL_FRACTION = 0.1
MUON_MOMENTUM = 0.95
_EPSILON: dict[OptimizerName, float] = {"adamw": 1e-8, "adafactor": 1e-30, "muon": 1e-8}
_WSD_DECAY = 0.1
_CHOICE_VERSION = 4
"""Contract version since which there are other optimizers than AdamW with cosine decay."""
_FIELDS_OF_VERSION_3 = {"peak_learning_rate", "warmup_steps", "final_fraction", "weight_decay", "beta1", "beta2", "clip_norm"}


class SkipSpikes(Contract):
    """Steps whose gradient norm is far above its running mean change neither parameters nor optimizer state."""

    factor: Annotated[float, Field(gt=1, le=1000)] = 4.0
    """A step is skipped if its gradient norm, before clipping, is more than this many times the running mean."""
    window: Annotated[int, Field(ge=2, le=100_000)] = 128
    """Steps over which the norm is averaged. The first ones of a stage, as many, are never skipped."""


class Optimizer(Contract):
    """The optimizer and its learning rate. The defaults are AdamW with cosine decay as Llama 7B was trained, without warm-up."""

    name: OptimizerName = "adamw"
    """adamw: two moments for each parameter. adafactor: the second moment is factored into rows and columns, so that almost no memory is
    left for it; with beta1 0 there is no first one. muon: matrices of the layers move by their orthogonalized momentum, all else by AdamW.
    Learning rates and weight decay have about the scale of AdamW's for all three."""
    schedule: Schedule = "cosine"
    """Learning rate after the warm-up. cosine: falls until the last step. constant: stays at the peak. wsd: stays there (warm-up, stable,
    decay) and falls in a line over the last decaySteps."""
    peak_learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """Learning rate at the end of the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps of the linear warm-up, at most all steps of the stage but the last. 0: the stage starts at the peak."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = FINAL_FRACTION
    """Learning rate at the last step as a fraction of the peak, for cosine and wsd. 1: constant after the warm-up. 0: decay to zero."""
    decay_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="Steps of the final decay of schedule wsd. Default: a tenth of the stage's steps."
    )
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Decoupled weight decay, multiplied by the learning rate."""
    weight_decay_excludes: Annotated[tuple[ParameterKind, ...], Field(max_length=3)] = Field(
        default=("norms",),
        description="Parameters without weight decay. norms: scales of the norms. embeddings: the embedding of each vocabulary, a tied "
        "head included. heads: the output heads. Default: norms.",
    )
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay rate of the first moment. 0: no momentum."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Decay rate of the second moment; of adafactor its largest, which 1 - step^-0.8 approaches from below."""
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description=f"Decay rate of muon's momentum, for the matrices of the layers. Default: {MUON_MOMENTUM}."
    )
    epsilon: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Added where the optimizer divides: by the root of the second moment (adamw), by the norm of the momentum (muon); "
        "adafactor adds it to squared gradients. Default: 1e-8, and 1e-30 for adafactor.",
    )
    clip_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Maximum global L2 norm of the gradients. Larger gradients are scaled down to it."""
    skip_spikes: SkipSpikes | None = Field(
        default=None, description="Skipping of steps whose gradient is a spike. Default: none is skipped."
    )
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Decay rate of an exponential moving average of the parameters. It is saved with each checkpoint and read by "
        "lwm convert to-hf --ema; training and later stages use the parameters themselves. Default: no average is kept.",
    )

    @property
    def effective_epsilon(self) -> float:
        return _EPSILON[self.name] if self.epsilon is None else self.epsilon

    @property
    def effective_momentum(self) -> float:
        return MUON_MOMENTUM if self.momentum is None else self.momentum

    def effective_decay_steps(self, steps: int) -> int:
        """Steps of the final decay of a stage of `steps` steps with schedule wsd."""
        return max(1, round(_WSD_DECAY * steps)) if self.decay_steps is None else self.decay_steps

    @property
    def state_fields(self) -> dict[str, str]:
        """What decides the arrays of the optimizer's state, by field: an attempt can continue only a state of the same arrays."""
        fields = {"name": self.name, "skipSpikes": _whether(self.skip_spikes), "emaDecay": _whether(self.ema_decay)}
        if self.name == "adafactor":
            fields["beta1"] = "above 0" if self.beta1 > 0 else "0"
        return fields

    @property
    def min_reader_version(self) -> int:
        """Oldest contract version whose trainers understand all that is set here."""
        added = self.model_dump(exclude=_FIELDS_OF_VERSION_3) != Optimizer().model_dump(exclude=_FIELDS_OF_VERSION_3)
        return _CHOICE_VERSION if added else OLDEST_CONTRACT_VERSION

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.momentum is not None and self.name != "muon":
            raise ValueError(f"momentum is for muon, that of {self.name} is beta1: leave momentum out")
        if self.decay_steps is not None and self.schedule != "wsd":
            raise ValueError(f"decaySteps is for schedule wsd, not for {self.schedule}: leave decaySteps out")
        if self.schedule == "constant" and self.final_fraction not in (FINAL_FRACTION, 1.0):
            raise ValueError("finalFraction is for schedules cosine and wsd, not for constant: leave finalFraction out")
        return self


def _whether(value: object) -> str:
    return "not set" if value is None else "set"
