"""The error for a file that cannot be read as what its name says: it names what the file is, where its first bytes tell."""

from typing import BinaryIO

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.errors import StorageError
from lwm_trainer.storage.file_format import HEAD_BYTES, FileFormat, detect_container


def unreadable_file(uri: str, file: BinaryIO, problem: str, error: Exception, fix: str, compression: str = "") -> DataCorruptError:
    """The error for `file`, which is open, or was closed by the library that failed on it.

    Args:
        problem: what the file is not, such as "not a parquet file".
        error: the library's.
        fix: what to do where the first bytes tell nothing else.
        compression: what the file was read as, if it is a compressed one.
    """
    container = _container(file)
    if container is not None and container.name != f"a {compression} archive":
        return DataCorruptError(f"{uri}: {problem}: it is {container.name}: {container.fix}")
    first_line, *_ = str(error).splitlines() or [type(error).__name__]
    return DataCorruptError(f"{uri}: {problem} ({first_line}): {fix}")


def _container(file: BinaryIO) -> FileFormat | None:
    try:
        file.seek(0)
        return detect_container(file.read(HEAD_BYTES))
    except (OSError, ValueError, StorageError):  # ValueError: the file is closed
        return None
