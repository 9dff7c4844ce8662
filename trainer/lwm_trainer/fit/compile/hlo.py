"""The order in which a TPU runs a compiled program, read from its text: XLA prints scheduled programs in the order of the schedule."""

import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

HEADER = re.compile(r"^(?:ENTRY )?%([\w.\-]+) \(")
LINE = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
CALLED = re.compile(r"(?:calls|to_apply|body|condition|branch_computations|true_computation|false_computation)=\{?((?:%[\w.\-]+(?:, )?)+)")
NAME = re.compile(r"%([\w.\-]+)")
OP_NAME = re.compile(r'op_name="([^"]*)"')
ARRAY = re.compile(r"([a-z]\w*)\[([\d,]*)\](?:\{[^}]*?(S\(\d+\))?\})?")
BITS = {"pred": 8, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "bf16": 16, "f16": 16, "s16": 16, "u16": 16}
BITS |= {f"{kind}{bits}": bits for kind in "sfu" for bits in (32, 64)} | {"c64": 64}


class Operation(NamedTuple):
    """One line of a computation."""

    name: str
    shape: str
    """Such as bf16[1,2,8192,128]{3,2,1,0}, or a tuple of them."""
    code: str
    rest: str
    """Operands and attributes."""

    @property
    def dtype(self) -> str:
        """Of the result, of its first part if it has many."""
        return self.shape.lstrip("(").split("[")[0]

    @property
    def arrays(self) -> list[tuple[str, tuple[int, ...], str]]:
        """(dtype, shape, memory space) of each part of the result; the space is empty for HBM."""
        found = ARRAY.findall(self.shape)
        return [(dtype, tuple(int(side) for side in sides.split(",") if side), space) for dtype, sides, space in found if dtype in BITS]

    @property
    def origin(self) -> str:
        """The JAX operation that it comes from, as a path; empty when XLA made it."""
        found = OP_NAME.search(self.rest)
        return found[1] if found else ""

    @property
    def operands(self) -> list[str]:
        return NAME.findall(self.rest.split(")")[0])

    @property
    def called(self) -> list[str]:
        return [name for names in CALLED.findall(self.rest) for name in NAME.findall(names)]


def size(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes, unpadded."""
    return math.prod(shape) * BITS[dtype] // 8


class Program:
    """A compiled program."""

    def __init__(self, text: str) -> None:
        if "is_scheduled=true" not in text.split("\n", 1)[0]:
            raise ValueError("the program is not scheduled: the order of its lines means nothing")
        self.computations: dict[str, list[Operation]] = {}
        self.entry = ""
        for line in text.splitlines():
            if header := HEADER.match(line):
                if line.startswith("ENTRY"):
                    self.entry = header[1]
                current = self.computations.setdefault(header[1], [])
            elif operation := LINE.match(line):
                current.append(Operation(*operation.groups()))

    def everywhere(self) -> Iterator[Operation]:
        """All operations of all computations."""
        for operations in self.computations.values():
            yield from operations

    @cached_property
    def loops(self) -> list[tuple[list[Operation], list[Operation]]]:
        """(condition, body) of every loop whose body itself sends something to a neighbour."""
        whiles = [operation.called for operation in self.everywhere() if operation.code == "while"]
        pairs = [sorted(called, key=lambda name: len(self.computations[name]))[:2] for called in whiles]
        loops = [(self.computations[condition], self.computations[body]) for condition, body in pairs]
        return [loop for loop in loops if any(is_permute(operation) for operation in loop[1])]

    def computes(self, operation: Operation) -> bool:
        """Whether it is an attention kernel or has one inside."""
        if operation.code == "custom-call":
            return operation.name.startswith("splash")
        return any(self.computes(inner) for name in operation.called for inner in self.computations[name])


def is_permute(operation: Operation) -> bool:
    """Whether it begins to send something, or sends and waits."""
    return operation.code in ("collective-permute-start", "collective-permute")
