"""The least base of the rotary embedding at which a model still retrieves over its whole context."""

FITTED_HEAD_DIM = 128
"""The head dimension of the models that the bound was fitted to."""


def least_theta(context_length: int) -> float:
    """0.0424 x L^1.628 for rows of L tokens: the fit of arXiv 2405.14591 for heads of 128.

    Below it perplexity stays fine and retrieval fails. It speaks of the plain embedding only. Rope scaling (Llama 3.1's) slows the same
    channels by a factor of its own, so that a theta below the bound is no sign of anything there.
    """
    return float(0.0424 * context_length**1.628)
