"""What the optimizer of a stage keeps and computes: bytes of its state, and the products of Muon."""

from dataclasses import dataclass
from math import prod

from lwm_trainer.config import Model, RunConfig
from lwm_trainer.config.precision import BYTES
from lwm_trainer.fit.estimate.flops import parameter_counts

FLOAT32 = 4
FACTORED = 128
"""Smallest axis over which Adafactor factors: `lwm_trainer.step.optimizer.ADAFACTOR_SMALLEST`. That is not imported because it needs
JAX."""

NEWTON_SCHULZ_STEPS = 5
"""Iterations of Muon's orthogonalization, optax's default."""


def state_bytes(run: RunConfig) -> int:
    """Bytes of the optimizer's state and of the average of the parameters, over all devices of one data-parallel replica."""
    counts, optimizer = parameter_counts(run.model), run.optimizer
    first = BYTES[run.precision.moments]
    matrices = counts.layers * counts.layer
    match optimizer.name:
        case "adamw":
            moments = (first + FLOAT32) * counts.total
        case "muon":
            moments = first * matrices + (first + FLOAT32) * (counts.total - matrices)
        case "adafactor":
            moments = FLOAT32 * _factors(run.model) + (first * counts.total if optimizer.beta1 > 0 else 0)
    return moments + (FLOAT32 * counts.total if optimizer.ema_decay is not None else 0)


def _factors(model: Model) -> int:
    """Numbers in Adafactor's factors: for each array its means over either of its two longest axes, or all of a small array."""
    total = (2 * model.layers + 1) * model.width
    vocabularies = [model.vocab_size, *([] if model.vision is None else [model.vision.vocab_size] * 2)]
    tables = [*vocabularies, *([] if model.tied_embeddings else [model.vocab_size])]
    shapes: list[tuple[int, ...]] = [(rows, model.width) for rows in tables]
    shapes += [shape for shape in _layer_shapes(model) for _ in range(model.layers)]
    for shape in shapes:
        shorter, longer = sorted(shape)[-2:]
        total += prod(shape) if shorter < FACTORED else prod(shape) // shorter + prod(shape) // longer
    return total


def _layer_shapes(model: Model) -> list[tuple[int, ...]]:
    """Shapes of the matrices of one layer."""
    query, key = (model.width, model.heads, model.head_dim), (model.width, model.kv_heads, model.head_dim)
    return [query, query, key, key, *[(model.width, model.mlp_width)] * 3]


@dataclass(frozen=True, slots=True)
class Orthogonalization:
    """Muon's Newton-Schulz iteration over all matrices of the layers, in one step."""

    flops: int
    gathered: int
    """Numbers that the devices over which a matrix lies gather from each other."""


def orthogonalization(model: Model) -> Orthogonalization:
    """Each iteration has two products of the matrix X [m, n], m <= n, with an m x m matrix, and one of two m x m matrices.

    Its rows are sharded, so that each iteration gathers X and the m x m matrix once.
    """
    flops = gathered = 0
    inner, key_inner = model.heads * model.head_dim, model.kv_heads * model.head_dim
    for other in (inner, inner, key_inner, key_inner, *[model.mlp_width] * 3):
        short, long = sorted((model.width, other))
        flops += 4 * short**2 * long + 2 * short**3
        gathered += short * long + short**2
    return Orthogonalization(NEWTON_SCHULZ_STEPS * model.layers * flops, NEWTON_SCHULZ_STEPS * model.layers * gathered)
