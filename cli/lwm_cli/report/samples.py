"""Samples of a report: how texts begin, how the model goes on, and how they go on themselves."""

from collections.abc import Iterable, Iterator
from itertools import islice

from lwm_cli.generation_options import find_checkpoint
from lwm_trainer.evaluation.haystack import open_texts
from lwm_trainer.report.contents import Sample
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.load import LoadOptions, load_generator
from lwm_trainer.sampling.prompt import join
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.storage.absolute import absolute_uri

MOST, PROMPT_TOKENS, ANSWER_TOKENS = 3, 128, 64
"""Texts, and tokens of each, at most."""


def text_samples(target: str, tokenizer: str | None, texts: str) -> tuple[Sample, ...]:
    """Samples of the newest checkpoint of TARGET about the first texts of files. Raises what loading and reading raise."""
    opened = open_texts(absolute_uri(texts), "text", "--samples")
    source = find_checkpoint(target, None)
    load = LoadOptions(tokenizer=source.tokenizer if tokenizer is None else absolute_uri(tokenizer), frames=source.frames, reserve=False)
    return tuple(continuations(load_generator(source.weights, load), opened()))


def continuations(generator: Generator, texts: Iterable[str]) -> Iterator[Sample]:
    """The most probable continuations: the same model says the same."""
    vocabulary, context = generator.vocabulary, generator.context_length
    for text in islice(texts, MOST):
        tokens = vocabulary.encode(text)
        begin = min(PROMPT_TOKENS, context // 2, tokens.length // 2)
        most = min(ANSWER_TOKENS, context - begin - 1)
        settings = Settings(max_tokens=most, text=Filters(temperature=0.0), stop_ids=(vocabulary.end_id,), may_show=False)
        request = Request(join(vocabulary.begin(), tokens.before(begin)), settings)
        yield Sample(
            prompt=vocabulary.decode(tokens.before(begin).tokens.tolist()),
            answer="".join(piece.text for pieces in generator.generate([request]) for piece in pieces),
            true=vocabulary.decode(tokens.before(begin + most).after(begin).tokens.tolist()),
        )
