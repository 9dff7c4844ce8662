"""What is known of files before any is read, and which a pattern means."""

import re
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


def matching(path: str) -> tuple[str, re.Pattern[str]] | None:
    """Of a path with `*`: the folder before it, and what paths below that folder must match; a folder that matches stands for all below."""
    if "*" not in path:
        return None
    root = path[: path.index("*")].rpartition("/")[0]
    parts = re.split(r"(\*\*/|\*\*|\*)", path[len(root) :].lstrip("/").rstrip("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return root, re.compile("".join(words.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


def file_of(uri: str, name: str) -> str:
    """What `Listing.uri` said of the file of this name when `uri` was listed."""
    pattern = matching(uri)
    if pattern is not None:
        return f"{pattern[0]}/{name}"
    return uri if uri.endswith(f"/{name}") else f"{uri.rstrip('/')}/{name}"
