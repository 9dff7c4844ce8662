"""A thin client of the API server: dicts in, dicts out, over the official client's transport and credentials.

The typed classes of the official client cost 30 MB and lag behind new fields; nothing needs them.
"""

import json
import os
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiohttp import ClientError
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from prometheus_client import Counter

from lwm_operator.cluster.clock import ServerClock
from lwm_operator.cluster.port import ClusterError

Body = dict[str, Any]

REQUEST_SECONDS = 30.0
UNREACHABLE = 0
CALLS = Counter("lwm_operator_api_calls_total", "Calls to the API server by method and status code.", ["method", "code"])


class Patch(StrEnum):
    APPLY = "application/apply-patch+yaml"
    MERGE = "application/merge-patch+json"


class ApiError(ClusterError):
    """The API server refused or did not answer.

    `code` is the HTTP status, or UNREACHABLE; `reason` is Kubernetes' name of it, for example Conflict, NotFound or AlreadyExists.
    """

    def __init__(self, method: str, path: str, code: int, reason: str, message: str) -> None:
        super().__init__(f"{method} {path}: {code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def kind(self) -> str:
        return f"{self.code} {self.reason}"


async def configuration() -> Configuration:
    """Return the service account's configuration in a pod, elsewhere the kubeconfig's (KUBECONFIG). Raises ConfigException when there is
    neither."""
    settings = Configuration()
    try:
        load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except ConfigException:
        # The file is named because the client's own default is what the variable was when it was imported.
        await load_kube_config(config_file=os.environ.get("KUBECONFIG"), client_configuration=settings)  # type: ignore[no-untyped-call]
    return settings


class Client:
    """Calls the API server. Close it when done."""

    def __init__(self, settings: Configuration) -> None:
        self._api = ApiClient(settings)
        self._clock = ServerClock(time.monotonic)
        self._unanswered_since: float | None = None

    def now(self) -> datetime:
        """Return the time by the API server's clock, which stamps its objects; this machine's may be wrong, or set anew."""
        return self._clock.now()

    def unreachable_seconds(self) -> float:
        """Return how long calls have gone without any answer; 0 where the last call was answered."""
        return 0.0 if self._unanswered_since is None else time.monotonic() - self._unanswered_since

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Body | None = None, content: str = "application/json"
    ) -> Body:
        """Return the answer as a dict. Raises ApiError for every answer that is not 2xx, and for none (UNREACHABLE)."""
        headers = {"Accept": "application/json", "Content-Type": content}
        request = await self._api.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        _, url, headers, payload, _ = request
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()
        try:
            response = await self._api.call_api(method, url, header_params=headers, body=payload, _request_timeout=REQUEST_SECONDS)
            raw: bytes = await response.read()  # type: ignore[no-untyped-call]
        except (ClientError, OSError, TimeoutError) as error:
            CALLS.labels(method=method, code="none").inc()
            raise ApiError(method, path, UNREACHABLE, "Unreachable", repr(error)) from error
        self._unanswered_since = None
        CALLS.labels(method=method, code=str(response.status)).inc()
        self._clock.set(response.headers.get("Date"))
        answer = _decode(raw)
        if not 200 <= response.status < 300:
            raise ApiError(method, path, response.status, str(answer.get("reason", "")), str(answer.get("message", ""))[:2000])
        return answer

    async def get(self, path: str) -> Body | None:
        """Return the object, or None when it does not exist."""
        try:
            return await self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list(self, path: str, labels: str = "", fields: str = "") -> list[Body]:
        query = {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
        return list((await self.call("GET", path, query=query)).get("items") or [])

    async def patch(self, path: str, body: Body, kind: Patch, *, manager: str) -> Body:
        query = {"fieldManager": manager, **({"force": "true"} if kind == Patch.APPLY else {})}
        return await self.call("PATCH", path, query=query, body=body, content=kind.value)

    async def delete(self, path: str, uid: str, *, grace_seconds: int | None = None) -> bool:
        """Delete the object with this uid; return False when it is gone already.

        Propagation is in the background, because the default for Jobs would orphan their pods.
        """
        options: Body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self.call("DELETE", path, body=options)
        except ApiError as error:
            if error.code in (404, 409):
                return False
            raise
        return True


def _decode(raw: bytes) -> Body:
    try:
        answer = json.loads(raw or b"{}")
    except ValueError:
        return {"message": raw[:500].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:500]}
