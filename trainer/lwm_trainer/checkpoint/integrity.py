"""Checks that all files of a checkpoint's arrays are there and long enough, from their index alone: no array is read.

Orbax writes the arrays of an item as one OCDBT store of TensorStore: `manifest.ocdbt` names the root of a B+tree, whose leaves give file,
first byte and number of bytes for each chunk of an array.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tensorstore
from etils import epath

_PARALLEL_REQUESTS = 16
"""Sizes of files asked for at the same time: an object store needs some 50 ms for each."""


def kvstore_spec(folder: epath.Path) -> dict[str, str]:
    """TensorStore's spec of a folder, on disk (made absolute) or `gs://…`."""
    path = str(folder)
    if path.startswith("gs://"):
        bucket, _, inside = path.removeprefix("gs://").partition("/")
        return {"driver": "gcs", "bucket": bucket, "path": f"{inside}/"}
    return {"driver": "file", "path": f"{folder.resolve()}/"}


def find_damage(folder: epath.Path) -> str | None:
    """The first reason why the arrays in an item's folder cannot be read, such as `d/abc is missing`; None when every byte is there."""
    store = tensorstore.KvStore.open(kvstore_spec(folder)).result()
    values: list[str] = []
    try:
        root = tensorstore.ocdbt.dump(store).result()["versions"][-1]["root"]
        nodes = [root["location"]] if "location" in root else []
        while nodes:
            if (missing := _first_missing(folder, nodes)) is not None:
                return missing
            entries: list[dict[str, Any]] = [entry for node in nodes for entry in tensorstore.ocdbt.dump(store, node).result()["entries"]]
            nodes = [entry["location"] for entry in entries if "location" in entry]
            values += [entry["indirect_value"] for entry in entries if "indirect_value" in entry]
    except ValueError as error:
        if "DATA_LOSS" not in str(error):
            raise
        return f"manifest.ocdbt or what it leads to cannot be decoded ({error})"
    return _first_missing(folder, values)


def _first_missing(folder: epath.Path, references: Iterable[str]) -> str | None:
    """The first file that is absent or too short. References are `kind:folder:file:first byte:bytes`; many name the same file."""
    ends: dict[str, int] = {}
    for reference in references:
        _, parent, file, first, length = reference.split(":")
        name = unquote(parent + file)
        ends[name] = max(ends.get(name, 0), int(first) + int(length))
    with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
        for (name, end), size in zip(ends.items(), pool.map(lambda name: _size(folder / name), ends), strict=True):
            if size is None:
                return f"{name} is missing"
            if size < end:
                return f"{name} has {size} of {end} bytes"
    return None


def _size(file: epath.Path) -> int | None:
    """Size in bytes; None when there is no such file."""
    try:
        # epath's stat on a disk looks up the owner's name, which fails in a pod whose uid has none.
        return int(file.stat().length) if str(file).startswith("gs://") else Path(file).stat().st_size
    except FileNotFoundError:
        return None
