"""Sentences and words of texts, for generators and filters."""

import re

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\d[\d.,]*\d|\d|[^\W\d_]+")
_SHORTEST = 4
"""Letters of a word that says something; shorter ones are mostly the grammar's."""


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def words(text: str) -> list[str]:
    """Words and numbers, in lower case."""
    return _WORD.findall(text.casefold())


def content_words(text: str) -> set[str]:
    """Numbers, and words of four letters or more; all words where there is none of them."""
    every = words(text)
    return {word for word in every if len(word) >= _SHORTEST or word[0].isdigit()} or set(every)


def normal(text: str) -> str:
    """The words of a text, so that texts may be compared whatever their marks and spaces."""
    return " ".join(words(text))
