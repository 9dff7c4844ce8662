"""Events about prepared data sets: each change from the old status to the new one becomes one Event."""

from collections.abc import Iterator

from lwm_operator.api.status import DatasetState, DatasetStatus
from lwm_operator.plan.actions import Event
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH, count

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
            yield Event(reason="DatasetReady", message=message, key=f"DatasetReady/{key}", order=f"{order}-0")
            if entry.skipped:
                first = f", the first: {entry.first_skipped}" if entry.first_skipped else ""
                message = f"{label}: {count(entry.skipped)} records make no example and were skipped{first}"
                yield _warning("RecordsSkipped", message, key, f"{order}-1")
        elif entry.state == DatasetState.FAILED:
            yield _warning("DatasetFailed", f"{label}: {entry.reason}: {entry.message}", key, f"{order}-2")


def _warning(reason: str, message: str, key: str, order: str) -> Event:
    return Event(reason=reason, message=message[:MAX_MESSAGE_LENGTH], key=f"{reason}/{key}", order=order, type="Warning")
