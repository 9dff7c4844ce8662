"""Listings of files, made before any is read, and patterns of file names."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was listed."""

    name: str
    """Relative to the listing's root, with slashes."""
    size: int
    version: str
    """Another one whenever the content is: the object's MD5 or generation; on disk the time of the last change, in ns."""


@dataclass(frozen=True)
class Listing:
    """Files in the order in which they are read."""

    root: str
    entries: tuple[Entry, ...]

    def uri(self, entry: Entry) -> str:
        return f"{self.root}/{entry.name}"


def parse_pattern(path: str, exists: Callable[[str], bool] = lambda _: False) -> tuple[str, re.Pattern[str]] | None:
    """A path with `*` as the folder before it and a pattern for paths below that folder; None without `*`.

    A folder that matches stands for all files below it. Names with a `*` of their own are no pattern: `exists` tells whether a path, taken
    literally, is there.
    """
    parts = path.rstrip("/").split("/")
    literal = next((count for count in range(1, len(parts) + 1) if "*" in parts[count - 1] and not exists("/".join(parts[:count]))), None)
    if literal is None:
        return None
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    below = re.split(r"(\*\*/|\*\*|\*)", "/".join(parts[literal - 1 :]))
    return "/".join(parts[: literal - 1]), re.compile("".join(words.get(part, re.escape(part)) for part in below) + "(?:/.*)?")


def file_uri(uri: str, name: str) -> str:
    """The URI of the file of this name, as `Listing.uri` gave it when `uri` was listed.

    A `*` in the name of a folder on disk is told from a pattern only where the folder is there.
    """
    pattern = parse_pattern(uri, os.path.lexists)
    if pattern is not None:
        return f"{pattern[0]}/{name}"
    return uri if uri.endswith(f"/{name}") else f"{uri.rstrip('/')}/{name}"
