"""The Events about data sets that are prepared: what changed from the old status to the new one, told once."""

from collections.abc import Iterator

from lwm_operator.api.status import DatasetState, DatasetStatus
from lwm_operator.plan.actions import Event
from lwm_operator.plan.formatting import count

ORDER = "s00-a00000-2"


def new_dataset_events(old: tuple[DatasetStatus, ...], new: tuple[DatasetStatus, ...]) -> Iterator[Event]:
    """In the order in which things happened."""
    before = {entry.name: entry.state for entry in old}
    for entry in new:
        if entry.state == before.get(entry.name):
            continue
        key = f"{entry.name}/{entry.run}"
        if entry.state == DatasetState.READY:
            said = f"data set {entry.name}: {count(entry.documents)} documents, {count(entry.tokens)} tokens, {entry.path}"
            yield Event(reason="DatasetReady", message=said, key=f"DatasetReady/{key}", order=f"{ORDER}-{entry.name}-0")
            if entry.skipped:
                first = f", the first: {entry.first_skipped}" if entry.first_skipped else ""
                said = f"data set {entry.name}: {count(entry.skipped)} records make no example and were skipped{first}"
                yield _warning("RecordsSkipped", said, key, f"{ORDER}-{entry.name}-1")
        elif entry.state == DatasetState.FAILED:
            yield _warning("DatasetFailed", f"data set {entry.name}: {entry.reason}: {entry.message}", key, f"{ORDER}-{entry.name}-2")


def _warning(reason: str, message: str, key: str, order: str) -> Event:
    return Event(reason=reason, message=message[:1000], key=f"{reason}/{key}", order=order, type="Warning")
