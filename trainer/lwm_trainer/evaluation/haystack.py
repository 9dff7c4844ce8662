"""Long texts out of records: sentences as tokens, none of them cut, and facts that stand between them."""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import BadRecord, record_location
from lwm_trainer.data.records.shards import single_shard
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.evaluation.suite import SuiteError, Tokenize, Tokens

Texts = Callable[[], Iterator[str]]
"""The texts of a haystack from their beginning."""

LONGEST_SENTENCE = 400
"""Letters from which on a text without ends of sentences is divided between words, so that little room stays empty."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def open_texts(uri: str, field: str, option: str = "--haystack") -> Texts:
    """List the files of a file, folder or pattern, on disk or `gs://…`, as for data sets; what it returns reads their texts.

    Args:
        field: the field of JSON lines and tables that holds the text; a `.txt` file is one text.
        option: the option that names the files, for errors; that of the field has the same name and `-field`.

    Raises what listing raises. Reading raises SuiteError, which names file and line, for a record without the field.
    """
    listing = list_record_files(uri)

    def read() -> Iterator[str]:
        for record in read_records(listing, single_shard(listing)):
            if isinstance(record, BadRecord):
                raise SuiteError(f"{option} {record}")
            name = "text" if record.uri.lower().endswith((".txt", ".txt.gz", ".txt.zst")) else field
            text = record.fields.get(name)
            if not isinstance(text, str):
                place, fields = record_location(record.uri, record.line), ", ".join(record.fields)
                raise SuiteError(f"{option} {place}: has no text in the field {name!r}: name one of {fields} by {option}-field")
            yield text

    return read


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """The sentences of all texts, each with a space before it; a very long one comes in parts that end between words."""
    for text in texts:
        for sentence in map(str.strip, _SENTENCE.split(text)):
            if len(sentence) > LONGEST_SENTENCE:
                parts = textwrap.wrap(sentence, LONGEST_SENTENCE, break_long_words=False, break_on_hyphens=False)
                yield from (f" {part}" for part in parts)
            elif sentence:
                yield " " + sentence


class HaystackRounds:
    """Another text for each round of a length. Rounds that come in their order read and tokenize the texts once."""

    def __init__(self, texts: Texts, tokenize: Tokenize) -> None:
        self._texts, self._tokenize = texts, tokenize
        self._length, self._round = -1, -1
        self._source: Iterator[str] = iter(())
        self._taken: list[Tokens] = []

    def take(self, length: int, number: int, room: Callable[[int], int]) -> list[Tokens]:
        """The sentences of round `number`, as tokens.

        Args:
            room: tokens that a round's text may have. Earlier rounds are asked for, too, where they were not the last ones taken.

        Raises SuiteError where the texts end too early, or there is no room for a sentence.
        """
        if (length, number) == (self._length, self._round):
            return self._taken
        if length != self._length or number < self._round:
            self._length, self._round, self._source = length, -1, sentences(self._texts())
        while self._round < number:
            self._taken = take_sentences(self._source, room(self._round + 1), length, self._tokenize)
            self._round += 1
        return self._taken


def take_sentences(source: Iterator[str], room: int, length: int, tokenize: Tokenize) -> list[Tokens]:
    """Sentences from `source` until the next one would not fit in `room` tokens; see `HaystackRounds.take` for what it raises."""
    taken: list[Tokens] = []
    filled = 0
    while True:
        sentence = next(source, None)
        if sentence is None:
            raise SuiteError(
                f"--haystack: has {filled} tokens left, but {room} are needed: give more text, or shorter lengths or fewer rounds"
            )
        tokens = tokenize(sentence)
        if filled + len(tokens) > room:
            break
        taken.append(tokens)
        filled += len(tokens)
    if not taken:
        raise SuiteError(f"a length of {length} tokens has room for {max(room, 0)} of the haystack, less than a sentence: use a longer one")
    return taken


class Placed(NamedTuple):
    """A text with facts in it."""

    tokens: Tokens
    depths: tuple[float, ...]
    """Share of `tokens` before each fact, as it came out between two sentences."""


def place_facts(head: Tokens, taken: Sequence[Tokens], facts: Sequence[Tokens], depths: Sequence[float]) -> Placed:
    """Put facts between the sentences, each behind the share `depths` of the text; `head` comes first.

    All are placed at once, so none moves another. Facts of one place stand in their order.
    """
    before = np.cumsum([0, *map(len, taken)])
    places = [int(np.searchsorted(before, depth * before[-1], side="right")) - 1 for depth in depths]
    pieces, begins = [head], [0] * len(facts)
    position = len(head)
    for sentence in range(len(taken) + 1):
        for number in (number for number, place in enumerate(places) if place == sentence):
            begins[number] = position
            pieces.append(facts[number])
            position += len(facts[number])
        if sentence < len(taken):
            pieces.append(taken[sentence])
            position += len(taken[sentence])
    return Placed(np.concatenate(pieces), tuple(begin / position for begin in begins))
