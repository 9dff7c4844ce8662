"""What a training tells about itself, as rows that `pandas.DataFrame` takes."""

from typing import TypedDict


class Event(TypedDict):
    """One Event."""

    time: str
    type: str
    """Normal or Warning."""
    reason: str
    message: str
    count: int


class Checkpoint(TypedDict):
    """One committed step folder."""

    stage: str
    attempt: int
    step: int
    path: str
    final: bool
    """Whether it is the stage's final checkpoint, of which alone the status has hashes."""
    state_hash: str | None
    record_hash: str | None


class _EveryStep(TypedDict):
    stage: str
    step: int
    """From 1; 0 for a validation before the first step, which has no loss."""
    loss: float | None
    """Nats per token."""
    grad_norm: float | None
    tokens: int | None
    """Tokens of the step without padding; None where an earlier trainer did not keep them, as with the two below."""
    seconds: float | None
    finished_at: str | None
    """UTC, as ISO 8601."""


class Step(_EveryStep, total=False):
    """One step of the committed record. A held-out loss is the key `validation/<data set>/<modality>_loss` of its step."""

    text_loss: float
    """With a vision vocabulary: nats per text token, NaN in a step without any."""
    vision_loss: float
    skipped: bool
    """In a stage that skips spikes."""
