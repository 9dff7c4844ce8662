"""Compiled programs parsed from their text (XLA HLO), which XLA prints in the order in which a device runs them."""

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
    """For example bf16[1,2,8192,128]{3,2,1,0}, or a tuple of such arrays."""
    code: str
    rest: str
    """Operands and attributes."""

    @property
    def dtype(self) -> str:
        """The dtype of the result, or of its first array if it is a tuple."""
        return self.shape.lstrip("(").split("[")[0]

    @property
    def arrays(self) -> list[tuple[str, tuple[int, ...], str]]:
        """(dtype, shape, memory space) of each array of the result; the space is empty for HBM."""
        matches = ARRAY.findall(self.shape)
        return [(dtype, tuple(int(size) for size in sizes.split(",") if size), space) for dtype, sizes, space in matches if dtype in BITS]

    @property
    def origin(self) -> str:
        """Path of the JAX operation that it comes from; empty when XLA added it."""
        match = OP_NAME.search(self.rest)
        return match[1] if match else ""

    @property
    def operands(self) -> list[str]:
        """Names of the operands."""
        return NAME.findall(self.rest.split(")")[0])

    @property
    def called(self) -> list[str]:
        """Names of the computations that it calls."""
        return [name for names in CALLED.findall(self.rest) for name in NAME.findall(names)]


def array_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of an array, without padding."""
    return math.prod(shape) * BITS[dtype] // 8


class HloProgram:
    """A compiled and scheduled program."""

    def __init__(self, text: str) -> None:
        """Parse the text. Raises ValueError when the program is not scheduled."""
        if "is_scheduled=true" not in text.split("\n", 1)[0]:
            raise ValueError("the program is not scheduled, so the order of its lines has no meaning: compile it first")
        self.computations: dict[str, list[Operation]] = {}
        self.entry = ""
        for line in text.splitlines():
            if header := HEADER.match(line):
                if line.startswith("ENTRY"):
                    self.entry = header[1]
                current = self.computations.setdefault(header[1], [])
            elif operation := LINE.match(line):
                current.append(Operation(*operation.groups()))

    def operations(self) -> Iterator[Operation]:
        """All operations of all computations."""
        for operations in self.computations.values():
            yield from operations

    @cached_property
    def ring_loops(self) -> list[tuple[list[Operation], list[Operation]]]:
        """Condition and body of every loop whose body itself has a collective permute."""
        whiles = [operation.called for operation in self.operations() if operation.code == "while"]
        pairs = [sorted(called, key=lambda name: len(self.computations[name]))[:2] for called in whiles]
        loops = [(self.computations[condition], self.computations[body]) for condition, body in pairs]
        return [loop for loop in loops if any(is_permute(operation) for operation in loop[1])]

    def is_attention(self, operation: Operation) -> bool:
        """Whether an operation is an attention kernel or calls one."""
        if operation.code == "custom-call":
            return operation.name.startswith("splash")
        return any(self.is_attention(inner) for name in operation.called for inner in self.computations[name])


def is_permute(operation: Operation) -> bool:
    """Whether an operation is a collective permute or the start of one."""
    return operation.code in ("collective-permute-start", "collective-permute")
