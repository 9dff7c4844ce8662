"""kopf's watches put keys of trainings into the queue. Nothing is decided here.

All handlers are `on.event`: they leave no finalizer and no annotation, and write nothing.
"""

from collections.abc import Iterator
from typing import Any

import kopf

from lwm_operator.api import names
from lwm_operator.cluster.parse import attempt_key, parse_progress
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.queue import KeyedQueue

WATCH_BACKOFFS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
COALESCE_SECONDS = 10.0
"""How long Lease events wait that change neither attempt, phase nor commit: every training causes one every 10 s."""


class _Backoffs:
    """Seconds between the tries of a watch that fails: kopf takes them one by one, and these never end.

    With an end, kopf would stop the operator, for all namespaces, when one is deleted or refused.
    """

    def __iter__(self) -> Iterator[float]:
        yield from WATCH_BACKOFFS
        while True:
            yield WATCH_BACKOFFS[-1]


def register(registry: kopf.OperatorRegistry, queue: KeyedQueue[TrainingKey]) -> None:
    """Attach all handlers to `registry`. They are coroutines, because kopf runs other functions in threads."""
    milestones: dict[str, object] = {}
    versions: dict[str, object] = {}

    async def training(namespace: str | None, name: str | None, uid: str, type: str | None, body: Any, **_: Any) -> None:
        if not namespace or not name:
            return
        known, version = versions.pop(uid, None), _version_of_others(body)
        if type != "DELETED":
            versions[uid] = version
        if type != "MODIFIED" or version != known:
            queue.add(TrainingKey(namespace, name))

    async def child(namespace: str | None, labels: Any, **_: Any) -> None:
        if namespace and (name := labels.get(names.LABEL_TRAINING)):
            queue.add(TrainingKey(namespace, name))

    async def lease(namespace: str | None, labels: Any, uid: str, type: str | None, body: Any, **_: Any) -> None:
        name = labels.get(names.LABEL_TRAINING)
        if not namespace or not name:
            return
        key, report = TrainingKey(namespace, name), parse_progress(body)
        milestone = (attempt_key(body), None if report is None else (report.phase, report.committed_step, report.final))
        if type == "DELETED":
            milestones.pop(uid, None)
            queue.add(key)
        elif milestones.get(uid) == milestone:
            queue.add_after(key, COALESCE_SECONDS)
        else:
            milestones[uid] = milestone
            queue.add(key)

    kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)(training)
    kopf.on.event("batch", "v1", "jobs", labels={names.LABEL_TRAINING: kopf.PRESENT}, registry=registry)(child)
    kopf.on.event("", "v1", "pods", labels={names.LABEL_TRAINING: kopf.PRESENT}, registry=registry)(child)
    kopf.on.event("coordination.k8s.io", "v1", "leases", labels={names.LABEL_TRAINING: kopf.PRESENT}, registry=registry)(lease)
    kopf.on.login(registry=registry)(_login)


def _version_of_others(body: Any) -> object:
    """Return what changes whenever somebody else writes the training, and never when the operator writes its status.

    A write of our own status tells nothing new: it would only cancel a back-off, or reconcile again at each heartbeat.
    """
    metadata = body["metadata"]
    managers = [entry for entry in metadata.get("managedFields") or () if entry.get("manager") != names.FIELD_MANAGER]
    writes = tuple((entry.get("manager"), entry.get("operation"), entry.get("subresource"), entry.get("time")) for entry in managers)
    return metadata.get("generation"), metadata.get("deletionTimestamp"), writes


def kopf_settings() -> kopf.OperatorSettings:
    """Return settings with which kopf only watches: no peering, no scanning, no Events, and label selectors at the API server."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.execution.max_workers = 2
    settings.networking.error_backoffs = _Backoffs()
    for kind in ("jobs", "pods", "leases"):
        settings.watching.label_selectors[kind] = names.LABEL_TRAINING
    return settings


def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)
