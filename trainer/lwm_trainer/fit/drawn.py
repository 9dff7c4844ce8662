"""What the picture shows of a `Fit`."""

from lwm_trainer.fit import records
from lwm_trainer.fit.fit import Fit


def record(label: str, found: Fit) -> records.Fit | None:
    """None for what has no bar: a program that was refused, or a device whose memory or speed is not known."""
    memory, available = found.measured.memory, found.target.available_bytes
    if memory is None or available is None or found.estimate is None:
        return None
    kinds = {kind: getattr(memory, kind) for kind in ("parameters", "optimizer", "batch", "temporaries")}
    seconds = {phase.name: phase.seconds for phase in found.estimate.phases}
    return records.Fit(family=found.target.family, label=label, limit=available, memory=kinds, seconds=seconds)
