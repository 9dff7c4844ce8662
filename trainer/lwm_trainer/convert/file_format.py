"""Names the format of a file from its first bytes, so that a refusal says what the file is and what to do with it."""

from pathlib import Path

from lwm_trainer.storage.file_format import HEAD_BYTES, FileFormat, detect_container

SAFETENSORS = FileFormat("a safetensors file", "convert the folder that it lies in with `lwm convert from-hf`")
SAVE_AS_SAFETENSORS = "load it with the program that wrote it, and save it as safetensors"
PICKLE = FileFormat("a pickle, which can run any code and is never opened", SAVE_AS_SAFETENSORS)
FLAX_MAP = FileFormat(
    "Flax's whole msgpack (one map), not a stream of StreamingCheckpointer's",
    "save it with LWM's StreamingCheckpointer, or export it to safetensors and use `lwm convert from-hf`",
)
JSON = FileFormat("JSON", "name the file with the weights")
EMPTY = FileFormat("an empty file", "download it again")
MAGIC = (
    (b"PK\x03\x04", FileFormat("a zip archive, such as torch.save and numpy.savez write", SAVE_AS_SAFETENSORS)),
    (b"GGUF", FileFormat("a GGUF file of llama.cpp", "take the unquantized safetensors that it was made from")),
    (b"\x89HDF\r\n", FileFormat("an HDF5 file, such as Keras writes", SAVE_AS_SAFETENSORS)),
    (b"\x93NUMPY", FileFormat("an array of NumPy", SAVE_AS_SAFETENSORS)),
    (b"<", FileFormat("a page of HTML or XML, not the file itself", "log in where it came from and download it again")),
)
SAFETENSORS_HEADER = 100_000_000
"""Bytes of a safetensors header, at most, in its own definition."""


def detect_format(head: bytes) -> FileFormat | None:
    """The format of a file that begins with `head`, its first HEAD_BYTES; None when it is none of those that are known."""
    if not head:
        return EMPTY
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= SAFETENSORS_HEADER:
        return SAFETENSORS
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    known = next((each for magic, each in MAGIC if head.startswith(magic)), None) or detect_container(head)
    if known is not None:
        return known
    if head[0] >> 4 == 0x8 or head[0] in (0xDE, 0xDF):
        return FLAX_MAP
    return JSON if head.lstrip()[:1] == b"{" else None


def read_head(file: Path) -> bytes:
    """The first bytes of a file. Raises OSError, with the system's words."""
    with file.open("rb") as opened:
        return opened.read(HEAD_BYTES)
