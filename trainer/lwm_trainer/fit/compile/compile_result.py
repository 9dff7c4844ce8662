"""The compiler's result for one train step: what the worker process prints, and what is cached."""

import re
from typing import Literal

from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.collectives import CollectiveTraffic
from lwm_trainer.fit.compile.memory import DeviceMemory

HBM = re.compile(r"(?:total memory required for [^(]*|Used )\(?([\d.]+)([KMGT]?)\)?.{0,40}?(?:available HBM \(|of )([\d.]+)([KMGT]?)")
SPACE = re.compile(r"memory space (\w+)")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Refusal(Contract):
    """The compiler refused the program for lack of memory: a result, not a failure."""

    space: Literal["hbm", "smem", "vmem", "other"]
    """hbm: the stage does not fit. smem, vmem: a kernel needs more than the memory of a core, whatever the HBM."""
    needed_bytes: int | None
    available_bytes: int | None
    message: str
    """First line of the compiler's message."""


class CompileResult(Contract):
    """The result of one compilation: exactly one of `memory` and `refusal` is given."""

    seconds: float
    """Compile time."""
    mesh: str
    """Names and sizes of the mesh axes, with the Ulysses degree that was chosen."""
    memory: DeviceMemory | None = None
    collectives: tuple[CollectiveTraffic, ...] = ()
    refusal: Refusal | None = None


def parse_refusal(text: str) -> Refusal | None:
    """Parse the compiler's error message; None when it is not about memory."""
    if "RESOURCE_EXHAUSTED" not in text and "Ran out of memory" not in text:
        return None
    space = (match[1].lower() if (match := SPACE.search(text)) else "hbm") if "on HBM" not in text else "hbm"
    sizes = HBM.search(text)
    return Refusal(
        space=space if space in ("hbm", "smem", "vmem") else "other",
        needed_bytes=_bytes(sizes[1], sizes[2]) if sizes else None,
        available_bytes=_bytes(sizes[3], sizes[4]) if sizes else None,
        message=text.strip().splitlines()[0],
    )


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * UNITS[unit])
