"""What a picture of fits shows: plain records, whoever made them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One stage on one TPU family."""

    family: str
    label: str
    """Under its bar: the stage, the slice or the mesh; short."""
    limit: int
    """Bytes of HBM that a device has."""
    memory: Mapping[str, int]
    """Bytes of HBM by kind, of the fullest device."""
    seconds: Mapping[str, float]
    """Seconds of a step by phase."""
