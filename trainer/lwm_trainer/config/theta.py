"""The lower bound of the rotary base for retrieval over the whole context."""

FITTED_HEAD_DIM = 128
"""Head dimension of the models to which the bound was fitted."""


def least_theta(context_length: int) -> float:
    """The bound 0.0424 x L^1.628 for rows of L tokens, from arXiv 2405.14591, fitted for heads of 128 channels.

    Below the bound perplexity stays low, but retrieval fails. It holds only without RoPE scaling, which already slows the same channels.
    """
    return float(0.0424 * context_length**1.628)
