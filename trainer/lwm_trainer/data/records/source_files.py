"""Which files of a source hold records. What a folder holds besides is known to be no data, or is an error that names it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from lwm_trainer.data.errors import DataError
from lwm_trainer.storage.errors import FileMissingError
from lwm_trainer.storage.files import list_files
from lwm_trainer.storage.listing import Entry, Listing

SUFFIXES = (".txt", ".jsonl", ".parquet", ".arrow", ".tar")
MEDIA_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm", ".mkv")
"""Files of pictures and clips, which records name."""
WEIGHTS_SUFFIX = ".safetensors"
COMPRESSIONS: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}
"""Compressions of `.txt` and `.jsonl` files, by suffix. Tables are compressed inside."""

_SPLITS = "dataset_dict.json"
_NO_DATA_FOLDERS = {"__MACOSX", "_temporary", "_delta_log", "lost+found"}
_NO_DATA_FILES = {"_SUCCESS", "_metadata", "_common_metadata", "dataset_info.json", "dataset_infos.json", "state.json", "Thumbs.db"}
_NO_DATA_PREFIXES = ("_committed_", "_started_", "README", "LICENSE", "NOTICE")
_CHECKSUMS = (".md5", ".sha1", ".sha256", ".sha512", ".crc", ".crc32c", ".asc", ".sig")
_CHECKSUM_FILES = {"MD5SUMS", "SHA1SUMS", "SHA256SUMS", "SHA512SUMS"}
_NO_DATA_SUFFIXES = (*_CHECKSUMS, ".md", ".rst", ".lock")
_NAMED = 3
"""Files that an error names; of more it gives the number."""


class FileFormat(NamedTuple):
    """What a file's name says of its content."""

    suffix: str
    """One of `SUFFIXES`."""
    compression: Literal["gzip", "zstd"] | None


def file_format(name: str) -> FileFormat | None:
    """The format of a file of this name, in upper or lower case; None if it holds no records that are read."""
    path = PurePosixPath(name.lower())
    compression = COMPRESSIONS.get(path.suffix)
    suffix = PurePosixPath(path.stem).suffix if compression else path.suffix
    if suffix not in SUFFIXES or (compression and suffix not in (".txt", ".jsonl")):
        return None
    return FileFormat(suffix, compression)


def list_record_files(uri: str, *, media: bool = False) -> Listing:
    """List the files that hold records of a data set; with `media`, pictures, clips and a vision tokenizer may lie beside them.

    Raises what `list_files` raises, FileMissingError where no file holds records, and DataError for a folder of several splits, or with
    files that are neither read nor known to be no data.
    """
    listing = list_files(uri)
    is_file = len(listing.entries) == 1 and uri.endswith(listing.entries[0].name)
    candidates = (
        listing.entries
        if is_file
        else tuple(entry for entry in listing.entries if not is_no_data(entry.name) and not (media and _is_media(entry.name)))
    )
    if any(PurePosixPath(entry.name).name == _SPLITS for entry in candidates):
        splits = sorted({entry.name.rpartition("/")[0] for entry in candidates if entry.name.endswith(".arrow")})
        raise DataError(
            f"{uri}: holds the splits {', '.join(splits)}: name one of them, as {listing.root}/{splits[0] if splits else 'train'}"
        )
    if unknown := [entry.name for entry in candidates if file_format(entry.name) is None]:
        raise DataError(f"{uri}: {_name_some(unknown)} {_fix(unknown)}")
    # A pattern that ends in .arrow, or a single file, says what it means.
    is_chosen = is_file or ("*" in uri and uri.endswith(".arrow"))
    if not is_chosen and (other := [entry.name for entry in candidates if _is_unsaved_arrow(entry.name)]):
        raise DataError(
            f"{uri}: {_name_some(other)} among the .arrow files that save_to_disk of Hugging Face's datasets names"
            " data-00000-of-00001.arrow: save the data set by it, or choose the files by a pattern that ends in .arrow"
        )
    if not candidates:
        raise _missing(uri, listing.entries)
    return replace(listing, entries=candidates)


def is_no_data(name: str) -> bool:
    """Whether a file is known to be no data by its name, or by the name of a folder that it is in."""
    *folders, file = name.split("/")
    if any(part.startswith(".") for part in (*folders, file)) or not _NO_DATA_FOLDERS.isdisjoint(folders):
        return True
    if file.startswith("cache-") and file.endswith(".arrow"):  # what `datasets` once computed from a saved data set
        return True
    if file in _NO_DATA_FILES or file in _CHECKSUM_FILES or file.endswith("_$folder$"):
        return True
    return file_format(file) is None and (file.startswith(_NO_DATA_PREFIXES) or file.endswith(_NO_DATA_SUFFIXES))


def _is_media(name: str) -> bool:
    return name.lower().endswith((*MEDIA_SUFFIXES, WEIGHTS_SUFFIX))


def _is_unsaved_arrow(name: str) -> bool:
    return name.lower().endswith(".arrow") and not PurePosixPath(name).match("data-*-of-*.arrow")


def _name_some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {'are' if len(names) > 1 else 'is'} not"


def _fix(names: Iterable[str]) -> str:
    suffixes = f"{', '.join(SUFFIXES)}, .txt and .jsonl also with {' or '.join(COMPRESSIONS)}"
    choose = "choose the files to read by source.files, such as '*.jsonl', or move the others away"
    json = "; a .json file is one value: write one object a line, as .jsonl" if any(name.endswith(".json") for name in names) else ""
    return f"read, because only {suffixes} are{json}: {choose}"


def _missing(uri: str, entries: tuple[Entry, ...]) -> FileMissingError:
    other = f"; {_name_some([entry.name for entry in entries])} data" if entries else ""
    return FileMissingError(f"{uri}: no file ending in {' or '.join(SUFFIXES)} is there{other}: put the data there or correct the uri")
