"""Files that are complete at any moment, also after the machine has died."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Replace the file's content: a reader, and whoever comes after a crash, sees the old text or the new one. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_text(path: Path) -> str | None:
    """The file's text; None where there is no such file, or, below /proc, no such process."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
