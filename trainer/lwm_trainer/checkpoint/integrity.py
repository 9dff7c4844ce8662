"""Which files the arrays of a checkpoint lie in, and whether all of them are there: asked of their index, without reading an array.

Orbax writes the arrays of an item as one OCDBT store of TensorStore's: `manifest.ocdbt` names the root of a B+tree, whose leaves say for
each piece of an array the file it lies in, from which byte on and how many.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tensorstore
from etils import epath

_AT_ONCE = 16
"""Files asked for their size: an object store takes its time for each."""


def place(folder: epath.Path) -> dict[str, str]:
    """The folder as TensorStore names it: absolute, or gs://…"""
    path = str(folder)
    if path.startswith("gs://"):
        bucket, _, inside = path.removeprefix("gs://").partition("/")
        return {"driver": "gcs", "bucket": bucket, "path": f"{inside}/"}
    return {"driver": "file", "path": f"{folder.resolve()}/"}


def damage(folder: epath.Path) -> str | None:
    """What first keeps the arrays in an item's folder from being read, such as `d/abc is missing`; None: every byte has its place."""
    store = tensorstore.KvStore.open(place(folder)).result()
    values: list[str] = []
    try:
        root = tensorstore.ocdbt.dump(store).result()["versions"][-1]["root"]
        nodes = [root["location"]] if "location" in root else []
        while nodes:
            if (found := _lacking(folder, nodes)) is not None:
                return found
            entries: list[dict[str, Any]] = [entry for node in nodes for entry in tensorstore.ocdbt.dump(store, node).result()["entries"]]
            nodes = [entry["location"] for entry in entries if "location" in entry]
            values += [entry["indirect_value"] for entry in entries if "indirect_value" in entry]
    except ValueError as error:
        if "DATA_LOSS" not in str(error):
            raise
        return f"manifest.ocdbt or what it leads to cannot be decoded ({error})"
    return _lacking(folder, values)


def _lacking(folder: epath.Path, references: Iterable[str]) -> str | None:
    """References are `kind:folder:file:first byte:bytes`; many lead into one file."""
    ends: dict[str, int] = {}
    for reference in references:
        _, above, file, first, length = reference.split(":")
        name = unquote(above + file)
        ends[name] = max(ends.get(name, 0), int(first) + int(length))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for (name, end), size in zip(ends.items(), pool.map(lambda name: _size(folder / name), ends), strict=True):
            if size is None:
                return f"{name} is missing"
            if size < end:
                return f"{name} has {size} of {end} bytes"
    return None


def _size(file: epath.Path) -> int | None:
    """In bytes; None: there is no such file."""
    try:
        # Not epath's stat on a disk: it asks for the owner's name, and who trains in a pod has none.
        return int(file.stat().length) if str(file).startswith("gs://") else Path(file).stat().st_size
    except FileNotFoundError:
        return None
