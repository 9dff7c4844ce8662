"""Bytes on the wire in one step, by kind of collective and by axes of the mesh, counted in the text of a compiled program.

How often an operation runs: the entry runs once. A loop's body runs as often as the constant that its condition compares with, over
what a turn adds to the counter (from 0): layers, accumulation, chunks of the loss, and the parts of a gather around which XLA builds a
loop of products. A loop whose bound is data is the ring's and runs ring - 1 times: one document through the row, the most there can be.
Of a conditional the branch with the most bytes counts.

What a device sends, for a group of n members: all-gather (n-1)/n of the result; reduce-scatter (n-1)/n of the input; all-reduce twice
that; all-to-all (n-1)/n of the input; a permute all of it. These are the bandwidth-optimal algorithms, whichever the chip runs.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.hlo import Operation, Program, size

KINDS = ("all-gather", "reduce-scatter", "all-reduce", "all-to-all", "collective-permute")
FUSED = "all-reduce-scatter"
"""XLA's name for the computation in which a TPU reduces and scatters in one."""

EXPLICIT = re.compile(r"replica_groups=\{\{([\d,]+)\}")
IOTA = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
NAMED = re.compile(r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{([^}]*)\}")
INDEX = re.compile(r"index=(\d+)")
WHOLE = ("s32", "u32")
PAIR = re.compile(r"source_target_pairs=\{\{(\d+),(\d+)\}")


class Transfer(Contract):
    """All collectives of a step of one kind along one set of axes."""

    kind: str
    axes: str
    """Such as "fsdp+ring"."""
    times: int
    """Operations of a step."""
    bytes: int
    """That one device sends in a step."""
    largest: int
    """Bytes that one device sends in the largest single operation: for permutes, a hop."""


def transfers(program: Program, mesh: Mapping[str, int]) -> tuple[Transfer, ...]:
    """Largest first. `mesh`: sizes of the axes, outermost first, as the program's devices are numbered."""
    counter = _Counter(program, mesh)
    found = counter.of(program.entry)
    rows = [Transfer(kind=kind, axes=axes, times=times, bytes=sent, largest=most) for (kind, axes), (times, sent, most) in found.items()]
    return tuple(sorted((row for row in rows if row.bytes), key=lambda row: -row.bytes))


_Found = dict[tuple[str, str], tuple[int, int, int]]
"""By kind and axes: operations, bytes, largest."""


class _Counter:
    def __init__(self, program: Program, mesh: Mapping[str, int]) -> None:
        self._program, self._mesh = program, mesh
        self._ids = np.arange(int(np.prod(list(mesh.values())))).reshape(tuple(mesh.values()))
        self._hops = mesh.get("ring", 1) - 1

    def of(self, name: str) -> _Found:
        found: _Found = defaultdict(lambda: (0, 0, 0))
        scatter = name.startswith(FUSED)
        for operation in self._program.computations[name]:
            code = operation.code.removesuffix("-start")
            if code in KINDS:
                kind = "reduce-scatter" if scatter and code == "all-reduce" else code
                axes, sent = self._sent(kind, operation)
                _add(found, {(kind, axes): (1, sent, sent)})
            elif code == "while":
                condition, body = self._loop(operation)
                _add(found, self.of(body), self._trips(condition, body))
            elif code == "conditional":
                branches = [self.of(branch) for branch in operation.called]
                _add(found, max(branches, key=lambda each: sum(sent for _, sent, _ in each.values())))
            elif code in ("fusion", "call", "async"):
                for called in operation.called:
                    _add(found, self.of(called))
        return dict(found)

    def _loop(self, operation: Operation) -> tuple[str, str]:
        parts = {key: re.search(rf"{key}=%([\w.\-]+)", operation.rest) for key in ("condition", "body")}
        condition, body = parts["condition"], parts["body"]
        if condition is None or body is None:
            raise ValueError(f"{operation.name}: a loop without condition or body")
        return condition[1], body[1]

    def _trips(self, condition: str, body: str) -> int:
        numbers = _constants(self._program.computations[condition])
        for each in self._program.computations[condition]:
            if each.code == "compare":
                counter, bound = each.operands
                if bound in numbers:
                    return -(-numbers[bound] // self._step(condition, body, counter))
        return self._hops

    def _step(self, condition: str, body: str, counter: str) -> int:
        """What a turn of the loop adds to its counter: 1, or what XLA has unrolled it by. 1 where the sum is inside a fusion."""
        read = next((each for each in self._program.computations[condition] if each.name == counter), None)
        index = INDEX.search(read.rest) if read is not None else None
        root = self._program.computations[body][-1]
        if index is None or root.code != "tuple":
            return 1
        added = root.operands[int(index[1])]
        numbers = _constants(self._program.computations[body])
        found = [
            numbers[name]
            for each in self._program.computations[body]
            if each.name == added and each.code == "add"
            for name in each.operands
            if name in numbers
        ]
        return found[0] if found else 1

    def _sent(self, kind: str, operation: Operation) -> tuple[str, int]:
        arrays = operation.arrays
        if operation.code.endswith("-start") and kind != "all-reduce":
            # (input, output, ...): an all-gather's output is the larger one, a permute's is the same.
            whole = max(size(dtype, shape) for dtype, shape, _ in arrays)
        else:
            whole = sum(size(dtype, shape) for dtype, shape, _ in arrays)
        if kind == "collective-permute":
            pair = PAIR.search(operation.rest)
            return (self._axes([int(pair[1]), int(pair[2])]) if pair else "?"), whole
        group = self._group(operation)
        n = len(group)
        if kind == "reduce-scatter" and operation.code == "reduce-scatter":
            whole *= n  # its result is one part
        sent = whole * (n - 1) // n
        return self._axes(group), 2 * sent if kind == "all-reduce" else sent

    def _group(self, operation: Operation) -> list[int]:
        """Devices of one group, as places in the mesh."""
        if found := EXPLICIT.search(operation.rest):
            return _numbers(found[1])
        if found := IOTA.search(operation.rest):
            groups = _iota(found[2], found[3]).reshape(_numbers(found[1]))
            return [int(each) for each in groups[0]]
        if found := NAMED.search(operation.rest):
            axes = {name: int(length) for name, length in re.findall(r"'(\w+)'=(\d+)", found[1])}
            ids = _iota(found[2], found[3]) if found[2] else np.arange(int(np.prod(list(axes.values()))))
            chosen = re.findall(r"'(\w+)'", found[4])
            return [int(each) for each in ids.reshape(tuple(axes.values()))[tuple(slice(None) if a in chosen else 0 for a in axes)].flat]
        return [int(each) for each in self._ids.flat]  # no groups: all devices

    def _axes(self, group: list[int]) -> str:
        places = np.array(np.unravel_index(group, self._ids.shape))
        moved = [axis for axis, places_of in zip(self._mesh, places, strict=True) if len(set(places_of.tolist())) > 1]
        return "+".join(moved) or "none"


def _constants(operations: list[Operation]) -> dict[str, int]:
    """Whole numbers of a computation, by name."""
    return {
        each.name: int(each.rest.split(")")[0])
        for each in operations
        if each.code == "constant" and each.dtype in WHOLE and "[]" in each.shape
    }


def _add(found: _Found, more: _Found, times: int = 1) -> None:
    for key, (count, sent, most) in more.items():
        old = found[key]
        found[key] = (old[0] + times * count, old[1] + times * sent, max(old[2], most if times else 0))


def _iota(shape: str, order: str | None) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    sides = _numbers(shape)
    ids = np.arange(int(np.prod(sides))).reshape(sides)
    return ids.transpose(_numbers(order)).reshape(-1) if order else ids.reshape(-1)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]
