"""Which rows of the cache the prompts of a batch take over, so that several conversations stay in it side by side."""

from collections.abc import Sequence

from lwm_trainer.sampling.prompt import TokenRow, common_length

WORTH_COPYING = 32
"""Tokens that a copy of another row must spare."""


def reusable_length(content: TokenRow, prompt: TokenRow) -> int:
    """Tokens that both begin with; at least the prompt's last token is left to compute, because its scores are needed."""
    return min(common_length(content, prompt), prompt.length - 1)


def arrange(contents: Sequence[TokenRow], prompts: Sequence[TokenRow], worth: int = WORTH_COPYING) -> list[int]:
    """The former row that each row is to hold: those of the prompts come first, then what is kept, in the order of its last use.

    A prompt takes the row that holds most of it. It continues that row if it has half of what the row holds; another prompt, which only
    begins alike, gets a copy, and the row is kept. Where there are too many rows, those that were used longest ago are given up.
    """
    sources, continued = [], set()
    for number, prompt in enumerate(prompts):
        lengths = [reusable_length(content, prompt) for content in contents]
        source = number if max(lengths) - lengths[number] < worth else lengths.index(max(lengths))
        sources.append(source)
        if 2 * lengths[source] >= contents[source].length:
            continued.add(source)
    kept = [number for number, content in enumerate(contents) if content.length and number not in continued]
    order = [*sources, *kept][: len(contents)]
    return [*order, *range(len(order), len(contents))]
