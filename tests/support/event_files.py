"""TensorBoard's event files as a reader sees them."""

import struct
from collections.abc import Iterator
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event


def events(content: bytes) -> Iterator[Event]:
    """The events of a file: each has its length in eight bytes and two checksums of four around it."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def scalars_of(file: Path) -> Iterator[tuple[Event, dict[str, float]]]:
    """The events with scalars, each with its scalars by name."""
    for event in events(file.read_bytes()):
        if event.summary.value:
            yield event, {value.tag: value.simple_value for value in event.summary.value}
