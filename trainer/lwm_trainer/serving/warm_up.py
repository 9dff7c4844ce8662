"""Compiles the programs of requests before the first one comes."""

import numpy as np

from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Settings


def warm_up(generator: Generator) -> None:
    """Answer a prompt of one token and one of a whole chunk, so that lack of memory shows at once, too; nothing of them is kept.

    Where there are two rows, a second request copies what the first one begins with.
    """
    settings = Settings(max_tokens=2)
    longest = min(generator.engine.programs.chunk, generator.context_length - settings.max_tokens)
    (begin,) = generator.vocabulary.begin().tokens
    for length in sorted({1, max(longest, 1)}):
        generator.forget()
        request = Request(text_row(np.full(length, begin, np.int32)), settings)
        for _ in generator.generate([request] * min(generator.batch().rows, 2)):
            pass
    generator.forget()
