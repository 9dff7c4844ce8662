"""Whether a training has learned: its loss is well below the unigram entropy, which token frequencies alone give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import RunConfig
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches, unigram_entropy
from lwm_trainer.step.batch import Batch, tokens_hash
from quickstart.storage import use_endpoint

MARGIN_NATS = 1.0
LAST_STEPS = 10


@dataclass(frozen=True)
class LearningCheck:
    """`loss` is the mean of the last steps, `entropy` the unigram entropy of the same tokens, both in nats per token."""

    loss: float
    entropy: float

    @property
    def learned(self) -> bool:
        return bool(np.isfinite(self.loss)) and self.entropy - self.loss >= MARGIN_NATS

    def __str__(self) -> str:
        below = self.entropy - self.loss
        return (
            f"{'learned' if self.learned else 'NOT learned'}: mean loss of the last {LAST_STEPS} steps: {self.loss:.3f} nats per token, "
            f"{below:.3f} below the unigram entropy of {self.entropy:.3f} (required: {MARGIN_NATS})"
        )


def check_learning(losses: Sequence[float] | NDArray[np.float32], entropy: float) -> LearningCheck:
    """Compares a stage's losses, one per step, with the `entropy` of the tokens of its last steps."""
    if len(losses) < LAST_STEPS:
        raise ValueError(f"the stage has {len(losses)} steps: the check needs {LAST_STEPS} or more")
    return LearningCheck(float(np.mean(np.asarray(losses[-LAST_STEPS:], np.float64))), entropy)


def same_tokens_entropy(config: RunConfig, recorded: NDArray[np.uint32], endpoint: str | None = None) -> float:
    """Unigram entropy of the targets of the stage's last steps, read and packed again as the trainer did.

    Raises ValueError when the record's hashes say that the trainer saw other tokens.
    """
    batches = _batches(config, endpoint)
    steps = range(config.steps)[-LAST_STEPS:]
    for step in steps:
        if tokens_hash_of(batches, step) != int(recorded[step]):
            raise ValueError(f"step {step}: the recorded tokens are not those of the data at {config.datasets[0].uri}: was it changed?")
    return unigram_entropy(batches, steps)


def tokens_hash_of(batches: Batches, step: int) -> int:
    """Hash that a trainer with these batches records for the step."""
    return int(tokens_hash(cast("Batch", {name: jnp.asarray(array) for name, array in batches.batch(step).items()})))


def hashes_of(config: RunConfig, endpoint: str | None = None) -> list[int]:
    """Hashes of all steps of the stage, computed from its data as they are now."""
    batches = _batches(config, endpoint)
    return [tokens_hash_of(batches, step) for step in range(config.steps)]


def _batches(config: RunConfig, endpoint: str | None) -> Batches:
    use_endpoint(endpoint)
    return Batches(config, load_documents(config, Tokenizer.load(config.tokenizer, config.model.vocab_size)))
