"""What the compiler says of one train step: what a child process hands to its parent, and what is kept for the next time."""

import re
from typing import Literal

from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.collectives import Transfer
from lwm_trainer.fit.compile.memory import Memory

HBM = re.compile(r"(?:total memory required for [^(]*|Used )\(?([\d.]+)([KMGT]?)\)?.{0,40}?(?:available HBM \(|of )([\d.]+)([KMGT]?)")
SPACE = re.compile(r"memory space (\w+)")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Refusal(Contract):
    """The compiler found no place: an answer, not a failure of ours."""

    space: Literal["hbm", "smem", "vmem", "other"]
    """hbm: the stage does not fit. smem, vmem: a kernel asks for more than a core's own memory, whatever the HBM is."""
    needed_bytes: int | None
    available_bytes: int | None
    message: str
    """The compiler's first line."""


class CompileResult(Contract):
    """One of `memory` and `refusal` is there."""

    seconds: float
    """What the compiler took."""
    mesh: str
    """With the split of sp that was chosen."""
    memory: Memory | None = None
    wire: tuple[Transfer, ...] = ()
    refusal: Refusal | None = None


def refusal(text: str) -> Refusal | None:
    """Of an error's text; None when it is about something else than memory."""
    if "RESOURCE_EXHAUSTED" not in text and "Ran out of memory" not in text:
        return None
    space = (found[1].lower() if (found := SPACE.search(text)) else "hbm") if "on HBM" not in text else "hbm"
    sizes = HBM.search(text)
    return Refusal(
        space=space if space in ("hbm", "smem", "vmem") else "other",
        needed_bytes=_bytes(sizes[1], sizes[2]) if sizes else None,
        available_bytes=_bytes(sizes[3], sizes[4]) if sizes else None,
        message=text.strip().splitlines()[0],
    )


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * UNITS[unit])
