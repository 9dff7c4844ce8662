"""RULER's two tasks of counting: the words that stand most often in a list, and in a coded text."""

import random
import string
from itertools import islice

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.ruler.task import Draw, Sample
from lwm_trainer.evaluation.suites.words import made_up_words

SHORT_LENGTH = 4096
"""Below so many tokens the words of `cwe` stand less often."""
COMMON_WORDS = 10
CWE_HEAD = "You are a helpful assistant. USER: Below is a numbered list of words. Remember the words that stand in it most often.\n\n"
CWE_TAIL = "\n\nWhich 10 words stand most often in the list above? ASSISTANT: The 10 words that stand in it most often are:"
FWE_HEAD = "You are a helpful assistant. USER: Find the words that stand most often in the following coded text. Leave out dots.\n\n"
FWE_TAIL = "\n\nWhich three words stand most often in the text above? ASSISTANT: The three words that stand in it most often are:"
FWE_EXPONENT = 2.0
FWE_LETTERS = 6
DOTS = "..."


def common_words(draw: Draw) -> Sample:
    """`cwe`: 10 words stand 30 times, all others 3 times (6 times and once in short prompts), in a random order after one example.

    The guess names 10 random ones of the words.
    """
    common, rare = (30, 3) if draw.length >= SHORT_LENGTH else (6, 1)
    words = made_up_words(draw.random)
    example_size, example_counts = (40, (10, 3)) if draw.length >= SHORT_LENGTH else (20, (3, 1))
    example = list(islice(words, example_size))
    head = CWE_HEAD + numbered_list(draw.random, example, *example_counts) + CWE_TAIL + f" {answer_list(example)}\n\nUSER: "
    names = list(islice(words, COMMON_WORDS))
    seed = draw.random.random()

    def text_of(count: int) -> str:
        names.extend(islice(words, max(0, COMMON_WORDS + count - len(names))))
        shuffled = random.Random(seed)  # noqa: S311 - the same order for the same count
        return head + numbered_list(shuffled, names[: COMMON_WORDS + count], common, rare) + CWE_TAIL

    prompt, count = fill_prompt(text_of, draw.room, 1, draw.tokenize, "rare words")
    return Sample(prompt, tuple(names[:COMMON_WORDS]), COMMON_WORDS / (COMMON_WORDS + count))


def numbered_list(draw: random.Random, words: list[str], common: int, rare: int) -> str:
    """The first words `common` times, the others `rare` times, shuffled and numbered."""
    items = words[:COMMON_WORDS] * common + words[COMMON_WORDS:] * rare
    draw.shuffle(items)
    return " ".join(f"{number}. {word}" for number, word in enumerate(items, 1))


def answer_list(words: list[str]) -> str:
    """The common words as an answer gives them."""
    return " ".join(f"{number}. {word}" for number, word in enumerate(words[:COMMON_WORDS], 1))


def frequent_words(draw: Draw) -> Sample:
    """`fwe`: coded words whose numbers follow a zeta distribution, shuffled; the most frequent word is dots, the next three are asked for.

    The guess names three random ones of the coded words.
    """
    vocabulary = [DOTS, *_coded_words(draw.random, max(draw.length // 50, 8))]
    seed = draw.random.random()

    def text_of(count: int) -> str:
        items = [word for word, times in zip(vocabulary, zeta_counts(count, len(vocabulary)), strict=True) for _ in range(times)]
        random.Random(seed).shuffle(items)  # noqa: S311 - the same order for the same count
        return FWE_HEAD + " ".join(items) + FWE_TAIL

    prompt, count = fill_prompt(text_of, draw.room, 16, draw.tokenize, "coded words")
    counts = zeta_counts(count, len(vocabulary))
    if len(set(counts[:5])) < 5:
        raise SuiteError(f"fwe: a length of {draw.length} tokens has too few words to tell their numbers apart: use a longer one")
    return Sample(prompt, tuple(vocabulary[1:4]), 3 / sum(times > 0 for times in counts[1:]))


def zeta_counts(count: int, vocabulary: int) -> list[int]:
    """How often the words of ranks 1 to `vocabulary` stand among `count`: in proportion to rank ** -FWE_EXPONENT, rounded down."""
    weights = [rank**-FWE_EXPONENT for rank in range(1, vocabulary + 1)]
    total = sum(weights)
    return [int(count * weight / total) for weight in weights]


def _coded_words(draw: random.Random, count: int) -> list[str]:
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(draw.choice(string.ascii_lowercase) for _ in range(FWE_LETTERS))] = None
    return list(words)


TASKS = {"cwe": common_words, "fwe": frequent_words}
