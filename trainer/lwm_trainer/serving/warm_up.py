"""Compiles the programs of short requests before the first one comes."""

from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Settings


def warm_up(generator: Generator) -> None:
    """Make the cache and an answer of two tokens, so that lack of memory shows at once; nothing of it is kept."""
    for _ in generator.generate([Request(generator.vocabulary.begin(), Settings(max_tokens=1))]):
        pass
    generator.forget()
