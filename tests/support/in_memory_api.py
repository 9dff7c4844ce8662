"""An API server in memory, behind the operator's own client. It keeps objects by path and refuses what the real one refuses."""

import copy
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from simulation.builders import NOW

LISTED = ("lwmtrainings", "jobs", "pods", "leases", "events")

Refusal = Callable[[str, str, Body], None]
"""Gets method, path and body of each write, and raises ApiError for one that shall be refused."""


def _merge(old: Body, patch: Body) -> Body:
    """Return the object after a JSON merge patch: objects are merged, null removes."""
    merged = {**old, **{name: _merge(old.get(name) or {}, value) if isinstance(value, dict) else value for name, value in patch.items()}}
    return {name: value for name, value in merged.items() if value is not None}


class InMemoryApi(Client):
    """Names are unique, uids and resourceVersions are preconditions, immutable ConfigMaps stay, and labels select."""

    def __init__(self) -> None:
        self.objects: dict[str, Body] = {}
        self.requests: Counter[str] = Counter()
        """Method and last part of the collection's path."""
        self.refuse: Refusal = lambda method, path, body: None
        self._versions = 0

    def now(self) -> datetime:
        return NOW

    async def close(self) -> None:
        return

    def put(self, path: str, body: Body) -> Body:
        """Store the object, with a new resourceVersion, and a uid if it has none."""
        self._versions += 1
        stored = copy.deepcopy(body)
        stored["metadata"] = {"uid": f"uid-{self._versions}", **stored["metadata"], "resourceVersion": str(self._versions)}
        self.objects[path] = stored
        return copy.deepcopy(stored)

    async def call(self, method: str, path: str, *, query: Any = None, body: Body | None = None, content: str = "application/json") -> Body:
        body, is_item = body or {}, path in self.objects
        if method == "GET":
            return self._get(path, dict(query or {}))
        self.requests[f"{method} {path.split('/')[-1 if method == 'POST' else -2]}"] += 1
        self.refuse(method, path, body)
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise ApiError(method, path, 409, "AlreadyExists", "it exists")
            return self.put(path, body)
        if method == "DELETE" and is_item:
            self._check(method, path, body.get("preconditions") or {})
            return self.objects.pop(path)
        target = path.removesuffix("/status")
        if target not in self.objects:
            if content == Patch.APPLY and "uid" not in body["metadata"]:
                return self.put(target, body)
            raise ApiError(method, path, 404, "NotFound", "there is no such object")
        self._check(method, target, body.get("metadata") or {})
        old = self.objects[target]
        if old.get("immutable") and old.get("data") != body.get("data"):
            raise ApiError(method, path, 422, "Invalid", "field is immutable when `immutable` is set")
        if content == Patch.MERGE:
            return self.put(target, _merge(old, body))
        return self.put(target, {**old, **body, "metadata": {**old["metadata"], **(body.get("metadata") or {})}})

    def _get(self, path: str, query: dict[str, str]) -> Body:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if path.rpartition("/")[2] not in LISTED:
            raise ApiError("GET", path, 404, "NotFound", "there is no such object")
        wanted = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
        inside = [body for name, body in self.objects.items() if name.rpartition("/")[0] == path]
        return {"items": copy.deepcopy([each for each in inside if wanted.items() <= (each["metadata"].get("labels") or {}).items()])}

    def _check(self, method: str, path: str, preconditions: Body) -> None:
        stored = self.objects[path]["metadata"]
        for name in ("uid", "resourceVersion"):
            if preconditions.get(name) not in (None, stored[name]):
                raise ApiError(method, path, 409, "Conflict", f"the {name} in the precondition is not the object's")
