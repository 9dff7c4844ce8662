"""The port to Kubernetes turns the API server's answers into the port's errors."""

from typing import Any

import pytest

from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.cluster.client import ApiError
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.port import ClusterError, ClusterPort, ConflictError, TrainingKey, UnreadableTrainingError
from simulation.builders import NOW, body, training

KEY = TrainingKey("default", "bible")


class FakeClient:
    """An API server with some trainings, which refuses writes with this code."""

    def __init__(self, *trainings: dict[str, Any], refuses_with: int = 0, refused: dict[str, int] | None = None) -> None:
        """`refused`: codes by namespace, to lists there."""
        self.refused = refused or {}
        self.trainings = trainings
        self.refuses_with = refuses_with
        self.listed: list[str] = []

    async def get(self, path: str) -> dict[str, Any] | None:
        return next((each for each in self.trainings if path.endswith(each["metadata"]["name"])), None)

    async def list(self, path: str) -> list[dict[str, Any]]:
        self.listed.append(path)
        for namespace, code in self.refused.items():
            if f"/namespaces/{namespace}/" in path:
                raise ApiError("GET", path, code, "", "no")
        return [each for each in self.trainings if f"/namespaces/{each['metadata']['namespace']}/" in path or "/namespaces/" not in path]

    async def patch(self, path: str, body: dict[str, Any], kind: str, *, manager: str) -> dict[str, Any]:
        if self.refuses_with:
            raise ApiError("PATCH", path, self.refuses_with, "Conflict" if self.refuses_with == 409 else "Forbidden", "no")
        return body


def cluster(client: FakeClient, *namespaces: str) -> ClusterPort:
    return KubernetesCluster(client, trainer_image="i", instance="test", namespaces=namespaces, now=lambda: NOW)  # type: ignore[arg-type]


async def test_a_training_is_read_as_it_is_stored_and_none_when_it_is_gone() -> None:
    assert await cluster(FakeClient(body())).read_training(KEY) == training()
    assert await cluster(FakeClient()).read_training(KEY) is None


async def test_fields_of_a_newer_crd_are_ignored_at_every_depth() -> None:
    newer = body()
    newer["spec"] |= {"fromTheFuture": 1, "model": newer["spec"]["model"] | {"experts": 8}}
    newer["spec"]["stages"] = [stage | {"optimizer": {"lookahead": 5}} for stage in newer["spec"]["stages"]]
    assert await cluster(FakeClient(newer)).read_training(KEY) == training()


async def test_a_training_that_the_operator_cannot_parse_names_the_field_and_the_fix() -> None:
    with pytest.raises(UnreadableTrainingError, match=r"^spec.stages: .* the CRD and the operator differ in version") as error:
        await cluster(FakeClient(body(stages="none"))).read_training(KEY)
    assert error.value.metadata.name == "bible"


async def test_a_write_over_a_newer_version_is_a_conflict_and_no_other_refusal_is() -> None:
    with pytest.raises(ConflictError, match="409 Conflict"):
        await cluster(FakeClient(refuses_with=409)).write_status(training(), Status(message="new"))
    with pytest.raises(ClusterError, match="403 Forbidden") as error:
        await cluster(FakeClient(refuses_with=403)).write_status(training(), Status(message="new"))
    assert not isinstance(error.value, ConflictError)
    assert not await cluster(FakeClient(refuses_with=409)).write_status(training(), training().status), "an equal status is not written"


async def test_trainings_are_listed_in_the_watched_namespaces_or_in_all() -> None:
    client = FakeClient(body())
    assert await cluster(client).list_trainings() == [KEY]
    assert await cluster(client, "default", "other").list_trainings() == [KEY]
    base = f"/apis/{names.API_VERSION}"
    in_each = [f"{base}/namespaces/{namespace}/{names.PLURAL}" for namespace in ("default", "other")]
    assert client.listed == [f"{base}/{names.PLURAL}", *in_each]


@pytest.mark.parametrize("code", [403, 404])
async def test_a_refused_namespace_is_reported_and_takes_no_other_away(code: int) -> None:
    reports: list[tuple[str, int | None]] = []

    def report(namespace: str, error: ApiError | None) -> None:
        reports.append((namespace, None if error is None else error.code))

    client = FakeClient(body(), refused={"gone": code})
    watching = KubernetesCluster(
        client,  # type: ignore[arg-type]
        trainer_image="i",
        instance="test",
        namespaces=("gone", "default"),
        report_namespace=report,
        now=lambda: NOW,
    )
    assert await watching.list_trainings() == [KEY]
    client.refused.clear()
    assert await watching.list_trainings() == [KEY]
    assert reports == [("gone", code), ("default", None), ("gone", None), ("default", None)]


async def test_a_list_fails_where_every_namespace_is_refused_and_where_the_server_does_not_answer() -> None:
    with pytest.raises(ApiError, match="403"):
        await cluster(FakeClient(refused={"a": 403, "b": 403}), "a", "b").list_trainings()
    with pytest.raises(ApiError, match=r"/namespaces/b/.*503"):
        await cluster(FakeClient(body(), refused={"b": 503}), "default", "b").list_trainings()
