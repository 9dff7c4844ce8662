"""The built-in generator: a question about a name or number of the chunk, by a rule and without a model.

It asks what follows six words of the text, so a model must find them: an artificial needle in real text (Xiong et al. 2024, arXiv
2406.19292, train on such retrievals).
"""

import random
import re
from collections.abc import Iterator

from lwm_trainer.questions.pair import Pair
from lwm_trainer.questions.words import sentences

QUOTED_WORDS = 6
_NAME = re.compile(r"[A-Z][a-z]{2,}")
_NUMBER = re.compile(r"\d[\d,.]*")
_MARKS = " \t\n\"'“”\u2018\u2019()[]{}.,;:!?—-"


class ExtractiveGenerator:
    """Draws one of the chunk's names and numbers by the chunk's own letters."""

    def write(self, chunk: str) -> Pair | None:
        """What follows a quote; None where no name or number has six words before it in its sentence that stand once in the chunk."""
        pairs = list(_pairs(chunk))
        return random.Random(chunk).choice(pairs) if pairs else None  # noqa: S311 - the same chunk must draw the same pair

    def doubts(self, chunk: str, pair: Pair) -> str | None:  # noqa: ARG002 - it is right by construction
        """Asks nothing."""
        return None


def _pairs(chunk: str) -> Iterator[Pair]:
    for sentence in sentences(chunk):
        words = list(re.finditer(r"\S+", sentence))
        for place in range(QUOTED_WORDS, len(words)):
            answer = words[place][0].strip(_MARKS)
            kind = "number" if _NUMBER.fullmatch(answer) else "name" if _NAME.fullmatch(answer) else None
            quote = sentence[words[place - QUOTED_WORDS].start() : words[place - 1].end()]
            if kind is not None and chunk.count(quote) == 1 and answer not in quote:
                shown = " ".join(quote.split())
                yield Pair(f"Which {kind} follows the words “{shown}”?", answer, quote)
