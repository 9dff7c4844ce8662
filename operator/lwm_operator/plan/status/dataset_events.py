"""Events about prepared data sets: each change from the old status to the new one becomes one Event."""

from collections.abc import Iterator
from typing import Literal

from lwm_operator.api.dataset_status import DatasetState, DatasetStatus
from lwm_operator.plan.actions import Event
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH, count
from lwm_operator.plan.reasons import EventReason

ORDER = "s00-a00000-2"


def new_dataset_events(old: tuple[DatasetStatus, ...], new: tuple[DatasetStatus, ...]) -> Iterator[Event]:
    """The Events in the order in which things happened."""
    before = {entry.name: entry.state for entry in old}
    for entry in new:
        if entry.state == before.get(entry.name):
            continue
        key, label, order = f"{entry.name}/{entry.run}", f"data set {entry.name}", f"{ORDER}-{entry.name}"
        if entry.state == DatasetState.READY:
            message = f"{label}: {count(entry.documents)} documents, {count(entry.tokens)} tokens, {entry.path}"
            yield _event(EventReason.DATASET_READY, message, key, f"{order}-0")
            if entry.skipped:
                first = f", the first: {entry.first_skipped}" if entry.first_skipped else ""
                message = f"{label}: {count(entry.skipped)} records make no example and were skipped{first}"
                yield _event(EventReason.RECORDS_SKIPPED, message, key, f"{order}-1", warning=True)
        elif entry.state == DatasetState.FAILED:
            yield _event(EventReason.DATASET_FAILED, f"{label}: {entry.reason}: {entry.message}", key, f"{order}-2", warning=True)


def _event(reason: EventReason, message: str, key: str, order: str, *, warning: bool = False) -> Event:
    kind: Literal["Normal", "Warning"] = "Warning" if warning else "Normal"
    return Event(reason=str(reason), message=message[:MAX_MESSAGE_LENGTH], key=f"{reason}/{key}", order=order, type=kind)
