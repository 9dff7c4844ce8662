"""What the ring promises of its compiled program, as a list of broken promises."""

from collections import Counter

from lwm_trainer.fit.compile.hlo import HloProgram, Operation, is_permute


def broken(program: HloProgram, ring: int, keys: str = "bf16") -> list[str]:
    """What is wrong with a whole ring attention, forward and backward, over `ring` ranks with keys and values of dtype `keys`.

    Two loops, one per direction. Forward, keys and values travel; backward, their float32 gradients follow one hop behind. After the
    loop of the backward pass the gradients follow once more, and go home in one of ring - 1 ways.
    """
    faults = [fault for _, body in program.ring_loops for fault in not_hidden(program, body)]
    faults += [fault for condition, _ in program.ring_loops for fault in fixed_bound(condition)]
    travel = sorted(sorted(Counter(permute.dtype for permute in permutes(body)).items()) for _, body in program.ring_loops)
    forward, backward = Counter({keys: 2}), Counter({keys: 2}) + Counter({"f32": 2})
    if travel != sorted(sorted(wanted.items()) for wanted in (forward, backward)):
        faults.append(f"in the loops travel {travel}, not {dict(forward)} and {dict(backward)}")
    rest = Counter(operation.dtype for operation in program.operations() if is_permute(operation)) - forward - backward
    if rest.total() != 2 * ring or rest["f32"] < 2 or set(rest) - {"f32", keys}:  # whether the way home is rounded before or after is one
        faults.append(f"outside the loops travel {dict(rest)}, not 2 gradients in f32 and, home, {2 * ring - 2}")
    faults += [
        f"{operation.name} gathers {operation.shape}"
        for operation in program.operations()
        if operation.code.startswith("all-gather") and operation.dtype not in ("s32", "u32", "pred")
    ]
    return faults


def not_hidden(program: HloProgram, body: list[Operation]) -> list[str]:
    """The permutes of a loop's body between whose start and end no attention is computed."""
    compute = [place for place, operation in enumerate(body) if program.is_attention(operation)]
    if not compute:
        return ["a loop that permutes computes no attention"]
    faults = []
    for start, operation in enumerate(body):
        if operation.code == "collective-permute":
            faults.append(f"{operation.name} ({operation.dtype}) is synchronous")
        if operation.code == "collective-permute-start":
            end = next(i for i, other in enumerate(body) if other.code == "collective-permute-done" and operation.name in other.operands)
            if not start < compute[0] <= compute[-1] < end:
                faults.append(f"{operation.name} ({operation.dtype}) runs from {start} to {end}, attention at {compute}")
    return faults


def fixed_bound(condition: list[Operation]) -> list[str]:
    """A loop that ends at a constant does not end at the last live hop."""
    constants = {operation.name for operation in condition if operation.code == "constant"}
    compared = [name for operation in condition if operation.code == "compare" for name in operation.operands]
    return [f"a loop ends at the constant {name}" for name in compared if name in constants]


def permutes(body: list[Operation]) -> list[Operation]:
    """Those of one computation itself."""
    return [operation for operation in body if is_permute(operation)]
