"""Bytes that a device sends in one step, by kind of collective and by mesh axes, counted in the text of a compiled program.

How often an operation runs: the entry computation runs once. The body of a loop runs as often as the constant bound of its condition,
divided by the increment of its counter (from 0): loops over layers, gradient accumulation, chunks of the loss, and the parts of a gather
that XLA turns into a loop of matrix products. A loop whose bound is data is the ring's; it counts as ring - 1 hops, the most there can be.
Of a conditional, the branch with the most bytes counts.

Bytes that a device of a group of n sends: all-gather (n-1)/n of the result; reduce-scatter (n-1)/n of the input; all-reduce twice that;
all-to-all (n-1)/n of the input; a permute all of it. These are the bandwidth-optimal algorithms, whichever the chip runs.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.hlo import HloProgram, Operation, array_bytes

KINDS = ("all-gather", "reduce-scatter", "all-reduce", "all-to-all", "collective-permute")
FUSED = "all-reduce-scatter"
"""XLA's name for a computation in which a TPU reduces and scatters in one operation."""

EXPLICIT_GROUPS = re.compile(r"replica_groups=\{\{([\d,]+)\}")
IOTA_GROUPS = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
NAMED_GROUPS = re.compile(r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{([^}]*)\}")
INDEX = re.compile(r"index=(\d+)")
INTEGERS = ("s32", "u32")
PAIR = re.compile(r"source_target_pairs=\{\{(\d+),(\d+)\}")


class CollectiveTraffic(Contract):
    """All collectives of one kind and dtype along one set of axes, in one step."""

    kind: str
    axes: str
    """For example "fsdp+ring"."""
    dtype: str
    """As in XLA's text, for example "bf16". Of arrays of several dtypes in one operation, that of the first."""
    times: int
    """Operations per step."""
    bytes: int
    """Bytes that one device sends in a step."""
    largest: int
    """Bytes that one device sends in the largest single operation; for permutes, a hop."""


def collective_traffic(program: HloProgram, mesh: Mapping[str, int]) -> tuple[CollectiveTraffic, ...]:
    """Count the collectives of a step, largest traffic first.

    Args:
        mesh: size of each axis, outermost first; the devices of the program are numbered in this order.
    """
    totals = _Counter(program, mesh).computation(program.entry)
    traffic = [
        CollectiveTraffic(kind=kind, axes=axes, dtype=dtype, times=times, bytes=sent, largest=largest)
        for (kind, axes, dtype), (times, sent, largest) in totals.items()
    ]
    return tuple(sorted((entry for entry in traffic if entry.bytes), key=lambda entry: -entry.bytes))


_Totals = dict[tuple[str, str, str], tuple[int, int, int]]
"""Operations, bytes and bytes of the largest operation, by kind, axes and dtype."""


class _Counter:
    def __init__(self, program: HloProgram, mesh: Mapping[str, int]) -> None:
        self._program, self._mesh = program, mesh
        self._ids = np.arange(int(np.prod(list(mesh.values())))).reshape(tuple(mesh.values()))
        self._hops = mesh.get("ring", 1) - 1

    def computation(self, name: str) -> _Totals:
        """The totals of one run of a computation, with all that it calls."""
        totals: _Totals = defaultdict(lambda: (0, 0, 0))
        scatter = name.startswith(FUSED)
        for operation in self._program.computations[name]:
            code = operation.code.removesuffix("-start")
            if code in KINDS:
                kind = "reduce-scatter" if scatter and code == "all-reduce" else code
                axes, sent = self._sent(kind, operation)
                _add(totals, {(kind, axes, operation.dtype): (1, sent, sent)})
            elif code == "while":
                condition, body = self._loop(operation)
                _add(totals, self.computation(body), self._trips(condition, body))
            elif code == "conditional":
                branches = [self.computation(branch) for branch in operation.called]
                _add(totals, max(branches, key=lambda branch: sum(sent for _, sent, _ in branch.values())))
            elif code in ("fusion", "call", "async"):
                for called in operation.called:
                    _add(totals, self.computation(called))
        return dict(totals)

    def _loop(self, operation: Operation) -> tuple[str, str]:
        condition, body = (re.search(rf"{key}=%([\w.\-]+)", operation.rest) for key in ("condition", "body"))
        if condition is None or body is None:
            raise ValueError(f"{operation.name}: a loop without condition or body")
        return condition[1], body[1]

    def _trips(self, condition: str, body: str) -> int:
        """How often the body of a loop runs."""
        constants = _constants(self._program.computations[condition])
        for operation in self._program.computations[condition]:
            if operation.code == "compare":
                counter, bound = operation.operands
                if bound in constants:
                    return -(-constants[bound] // self._step(condition, body, counter))
        return self._hops

    def _step(self, condition: str, body: str, counter: str) -> int:
        """The increment of a loop's counter: 1, or the factor by which XLA unrolled the loop; 1 when the sum is inside a fusion."""
        read = next((operation for operation in self._program.computations[condition] if operation.name == counter), None)
        index = INDEX.search(read.rest) if read is not None else None
        root = self._program.computations[body][-1]
        if index is None or root.code != "tuple":
            return 1
        next_counter = root.operands[int(index[1])]
        constants = _constants(self._program.computations[body])
        increments = [
            constants[name]
            for operation in self._program.computations[body]
            if operation.name == next_counter and operation.code == "add"
            for name in operation.operands
            if name in constants
        ]
        return increments[0] if increments else 1

    def _sent(self, kind: str, operation: Operation) -> tuple[str, int]:
        """The axes of a collective, and the bytes that a device sends in it."""
        arrays = operation.arrays
        if operation.code.endswith("-start") and kind != "all-reduce":
            # (input, output, ...): the output of an all-gather is the larger array, that of a permute has the same size.
            whole = max(array_bytes(dtype, shape) for dtype, shape, _ in arrays)
        else:
            whole = sum(array_bytes(dtype, shape) for dtype, shape, _ in arrays)
        if kind == "collective-permute":
            pair = PAIR.search(operation.rest)
            return (self._axes([int(pair[1]), int(pair[2])]) if pair else "?"), whole
        group = self._group(operation)
        n = len(group)
        if kind == "reduce-scatter" and operation.code == "reduce-scatter":
            whole *= n  # the result is one part of the input
        sent = whole * (n - 1) // n
        return self._axes(group), 2 * sent if kind == "all-reduce" else sent

    def _group(self, operation: Operation) -> list[int]:
        """The devices of the first group, by number in the mesh."""
        if match := EXPLICIT_GROUPS.search(operation.rest):
            return _numbers(match[1])
        if match := IOTA_GROUPS.search(operation.rest):
            groups = _iota(match[2], match[3]).reshape(_numbers(match[1]))
            return [int(device) for device in groups[0]]
        if match := NAMED_GROUPS.search(operation.rest):
            axes = {name: int(length) for name, length in re.findall(r"'(\w+)'=(\d+)", match[1])}
            ids = _iota(match[2], match[3]) if match[2] else np.arange(int(np.prod(list(axes.values()))))
            chosen = re.findall(r"'(\w+)'", match[4])
            index = tuple(slice(None) if axis in chosen else 0 for axis in axes)
            return [int(device) for device in ids.reshape(tuple(axes.values()))[index].flat]
        return [int(device) for device in self._ids.flat]  # no groups: all devices

    def _axes(self, group: list[int]) -> str:
        """The mesh axes along which the devices of a group differ."""
        coordinates = np.array(np.unravel_index(group, self._ids.shape))
        axes = [axis for axis, along in zip(self._mesh, coordinates, strict=True) if len(set(along.tolist())) > 1]
        return "+".join(axes) or "none"


def _constants(operations: list[Operation]) -> dict[str, int]:
    """The integer constants of a computation, by name."""
    return {
        operation.name: int(operation.rest.split(")")[0])
        for operation in operations
        if operation.code == "constant" and operation.dtype in INTEGERS and "[]" in operation.shape
    }


def _add(totals: _Totals, more: _Totals, times: int = 1) -> None:
    for key, (count, sent, largest) in more.items():
        old = totals[key]
        totals[key] = (old[0] + times * count, old[1] + times * sent, max(old[2], largest if times else 0))


def _iota(shape: str, order: str | None) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Device numbers 0, 1, ... in this shape, transposed by `order` and flattened: XLA's compact form of replica groups."""
    sides = _numbers(shape)
    ids = np.arange(int(np.prod(sides))).reshape(sides)
    return ids.transpose(_numbers(order)).reshape(-1) if order else ids.reshape(-1)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]
