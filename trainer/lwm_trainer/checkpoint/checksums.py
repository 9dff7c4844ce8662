"""Checksums of a commit's files: each process writes those of its own files after the commit, and they are compared before a restore.

On a disk a checksum is the SHA-256 of the content. In Google Cloud Storage it is the CRC32C that the store keeps of every object, so that
nothing is read. A commit without checksums (its process was killed before it wrote them) is examined by its index alone.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
from etils import epath

from lwm_trainer import config
from lwm_trainer.checkpoint import integrity
from lwm_trainer.checkpoint.gathered_text import gather_text
from lwm_trainer.storage.gcs import storage_client

PARAMETERS = ("params/", "manifest/")
"""Where the files lie that a stage takes over from the one before."""
Blobs = dict[str, tuple[int, str]]
_PREFIX = "checksums-"
_PARALLEL = 4
_MESSAGE_BYTES = 512


class Checksums(config.Contract):
    """Size in bytes and checksum of each file that one process wrote, by its path in the step folder."""

    files: dict[str, tuple[int, str]]


def write_checksums(step_folder: str) -> None:
    """Write the checksums of this process's files of a commit. Raises FileNotFoundError where the commit has been removed meanwhile."""
    process = jax.process_index()
    blobs = _blobs(step_folder)
    names = [name for name in _file_names(step_folder, blobs) if _owner(name) == process]
    checksums = Checksums(files=dict(zip(names, _checksums(step_folder, names, blobs), strict=True)))
    (epath.Path(step_folder) / f"{_PREFIX}{process}.json").write_text(checksums.model_dump_json(by_alias=True))


def agree_on_damage(step_folder: str, parts: tuple[str, ...] = ("",)) -> str | None:
    """The first damaged file below `parts`, such as `params/d/abc is missing`; None when all is well. All processes return the same.

    Each process examines its share of the files.
    """
    texts = gather_text(find_damage(step_folder, parts) or "", _MESSAGE_BYTES)
    return next(filter(None, texts), None)


def find_damage(step_folder: str, parts: tuple[str, ...] = ("",)) -> str | None:
    """The first damaged file of this process's share."""
    folder = epath.Path(step_folder)
    lists = sorted(path.name for path in folder.iterdir() if path.name.startswith(_PREFIX)) if folder.exists() else []
    if not lists:
        return _index_damage(folder, parts) if jax.process_index() == 0 else None
    blobs = _blobs(step_folder)
    for name in lists[jax.process_index() :: jax.process_count()]:
        try:
            known = Checksums.read_json((folder / name).read_text()).files
        except ValueError as error:
            return f"{name} cannot be read ({type(error).__name__})"
        expected = {file: checksum for file, checksum in known.items() if file.startswith(parts)}
        for (file, (size, checksum)), current in zip(expected.items(), _current_checksums(step_folder, expected, blobs), strict=True):
            if current is None:
                return f"{file} is missing"
            if current[0] != size:
                return f"{file} has {current[0]} of {size} bytes"
            if current[1] != checksum:
                return f"{file} has another content than was saved (checksum {current[1][:16]}, not {checksum[:16]})"
    return None


def _index_damage(folder: epath.Path, parts: tuple[str, ...]) -> str | None:
    """As `find_damage`, for a commit without checksums: by the index of its arrays."""
    for file in ("manifest/metadata", *(f"{item}/_METADATA" for item in _items(folder))):
        if not file.startswith(parts):
            continue
        if not (folder / file).exists():
            return f"{file} is missing"
        try:
            json.loads((folder / file).read_text())
        except ValueError:
            return f"{file} is not JSON"
        item = file.partition("/")[0]
        if item != "manifest" and (damage := integrity.find_damage(folder / item)) is not None:
            return f"{item}/{damage}"
    return None


def _items(folder: epath.Path) -> tuple[str, ...]:
    """The items of a commit that hold arrays."""
    return ("params", "optimizer", "record", *(item for item in ("ema", "timings") if (folder / item).exists()))


def _owner(name: str) -> int:
    """The process that wrote a file: Orbax puts the chunks of process 3 into `ocdbt.process_3`, all else is written by process 0."""
    match = re.search(r"(?:^|/)ocdbt\.process_(\d+)/", name)
    return int(match[1]) if match else 0


def _file_names(step_folder: str, blobs: Blobs | None) -> Iterator[str]:
    names: Iterable[str]
    if blobs is not None:
        names = blobs
    else:
        names = (path.relative_to(step_folder).as_posix() for path in Path(step_folder).rglob("*") if path.is_file())
    return (name for name in sorted(names) if not name.startswith(_PREFIX))


def _checksums(step_folder: str, names: list[str], blobs: Blobs | None) -> list[tuple[int, str]]:
    current = _current_checksums(step_folder, names, blobs)
    if (missing := next((name for name, checksum in zip(names, current, strict=True) if checksum is None), None)) is not None:
        raise FileNotFoundError(f"{step_folder}/{missing}")
    return [checksum for checksum in current if checksum is not None]


def _current_checksums(step_folder: str, names: Iterable[str], blobs: Blobs | None) -> list[tuple[int, str] | None]:
    """Size and checksum of each file as it is now; None for one that is missing. `blobs` is what `_blobs` returned for the folder."""
    if blobs is not None:
        return [blobs.get(name) for name in names]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(lambda name: _sha256(Path(step_folder) / name), names))


def _sha256(file: Path) -> tuple[int, str] | None:
    try:
        with file.open("rb") as content:
            return file.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _blobs(step_folder: str) -> Blobs | None:
    """Size and CRC32C of each object in a step folder of a bucket, from one listing; None for a folder on disk."""
    if not step_folder.startswith("gs://"):
        return None
    bucket, _, prefix = step_folder.removeprefix("gs://").partition("/")
    prefix = f"{prefix.rstrip('/')}/"
    blobs = storage_client().bucket(bucket).list_blobs(prefix=prefix)
    return {blob.name.removeprefix(prefix): (int(blob.size), f"crc32c:{blob.crc32c}") for blob in blobs if not blob.name.endswith("/")}
