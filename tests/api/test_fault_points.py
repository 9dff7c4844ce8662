"""The operator dies before and after every single write that it makes, and another one goes on: on a real API server."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.port import ConflictError, TrainingKey
from lwm_operator.controller.reconcile import Reconciler
from lwm_trainer.config import Prepared, TerminationMessage
from support.api_requests import change, create, reload
from support.fake_kubelet import finish_worker, worker_pods

KINDS = ("Job", "Service", "ConfigMap", "Lease", "ServiceAccount", "Role", "RoleBinding")

AT_ONCE = 8
"""Lives are mostly spent waiting for the cluster's controllers."""

LIVED_AGAIN = 5
"""How often a story is lived again for a write that nobody came to."""

Story = Callable[["Life", Client, Training], Awaitable[None]]


class DiedError(BaseException):
    """The process is gone; no handler of ours may catch it."""


Write = tuple[str, int]
"""A write and how many such were made before it: `("PATCH lwmtrainings/status", 2)` is the third one.

Not its place among all writes: events fall together differently each time, so that the same place is another write in another life.
"""


class Mortal(Client):
    """Dies at the write `at`: before the server hears of it, or after the server did it but nobody heard the answer."""

    def __init__(self, settings: Configuration, at: Write | None, *, heard: bool) -> None:
        super().__init__(settings)
        self.at, self.heard = at, heard
        self.made: list[str] = []
        """What was written, such as `POST jobs` or `PATCH lwmtrainings/status`, in order."""

    @property
    def writes(self) -> int:
        return len(self.made)

    async def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Body | None = None, content: str = "application/json"
    ) -> Body:
        if method == "GET":
            return await super().call(method, path, query=query, body=body, content=content)
        kind, *rest = path.partition("/namespaces/")[2].split("/")[1:]
        name = f"{method} {'/'.join([kind, *rest[1:]])}"
        dies = (name, self.made.count(name)) == self.at
        self.made.append(name)
        if dies and not self.heard:
            raise DiedError
        answer = await super().call(method, path, query=query, body=body, content=content)
        if dies:
            raise DiedError
        return answer


class Life:
    """Operators one after the other: the first one is mortal, its heirs are not. Their clock runs ahead, so that nobody waits."""

    def __init__(self, settings: Configuration, at: Write | None, *, heard: bool) -> None:
        self._settings = settings
        self.client = Mortal(settings, at, heard=heard)
        self.died_at: list[str] = []
        self.begun = 0
        """Writes until the first attempt was there: they are the same in every story, and one story dies at them."""
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def reconcile(self, training: Training) -> None:
        reconciler = Reconciler(KubernetesCluster(self.client, trainer_image="none.invalid/x:1", instance="test", now=self.now))
        try:
            await reconciler.reconcile(TrainingKey(training.metadata.namespace, training.metadata.name))
        except DiedError:
            self.died_at.append(self.client.made[-1])
            await self.client.close()
            self.client = Mortal(self._settings, None, heard=False)
        except ConflictError:
            return

    async def until(self, training: Training, check: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(120):
            while not await check():
                self.ahead += timedelta(seconds=5)
                await self.reconcile(training)


async def children(client: Client, training: Training) -> dict[str, list[str]]:
    selector = f"{names.LABEL_UID}={training.metadata.uid}"
    bodies_of = {kind: await client.list(paths.collection(kind, training.metadata.namespace), selector) for kind in KINDS}
    return {
        kind: sorted(body["metadata"]["name"].removeprefix(training.metadata.name) for body in bodies) for kind, bodies in bodies_of.items()
    }


async def begins(life: Life, client: Client, training: Training) -> None:
    """The first attempt is there, and settled."""

    async def has_begun() -> bool:
        return (await children(client, training))["Job"] == ["-s1-a1"] and (await reload(client, training)).status.reason not in (
            "",
            "Creating",
        )

    await life.until(training, has_begun)
    life.begun = life.client.writes
    assert (await reload(client, training)).status.attempt == 1


async def fails_over(life: Life, client: Client, training: Training) -> None:
    """A pod of the first attempt is deleted: the second attempt follows, and nothing of the first one lives."""
    await begins(life, client, training)
    about, selector = training.metadata, f"{names.LABEL_UID}={training.metadata.uid},{names.LABEL_ATTEMPT}=1"
    place = paths.collection("Pod", about.namespace)

    async def both_pods_are_there() -> bool:
        return len(await client.list(place, selector)) == 2

    await life.until(training, both_pods_are_there)
    pod = (await client.list(place, selector))[0]
    await client.delete(paths.item("Pod", about.namespace, pod["metadata"]["name"]), pod["metadata"]["uid"])

    async def second() -> bool:
        return (await children(client, training))["Job"] == ["-s1-a1", "-s1-a2"] and not await client.list(place, selector)

    await life.until(training, second)
    status = (await reload(client, training)).status
    stage = status.stages[0]
    assert (status.attempt, stage.failures.disruption, stage.failures.infra, stage.failures.app) == (2, 1, 0, 0)


async def suspends(life: Life, client: Client, training: Training) -> None:
    """Suspended and resumed: nothing runs in between, nothing is charged, and attempt 2 follows."""
    await begins(life, client, training)
    assert await change(client, training, {"spec": {"suspend": True}}) == ""

    async def quiet() -> bool:
        pods = await client.list(paths.collection("Pod", training.metadata.namespace), f"{names.LABEL_UID}={training.metadata.uid}")
        return not pods and (await reload(client, training)).status.reason == "Suspended"

    await life.until(training, quiet)
    assert await change(client, training, {"spec": {"suspend": False}}) == ""

    async def again() -> bool:
        return (await children(client, training))["Job"] == ["-s1-a1", "-s1-a2"]

    await life.until(training, again)
    assert sum((await reload(client, training)).status.stages[0].failures.model_dump().values()) == 0


async def prepares(life: Life, client: Client, training: Training) -> None:
    """The data set is prepared once, then the first attempt begins and is told where it lies."""
    about, job = training.metadata, f"{training.metadata.name}-d1-r0"

    async def both_pods_are_there() -> bool:
        return len(await worker_pods(client, about.namespace, job)) == 2

    await life.until(training, both_pods_are_there)
    for number, pod in enumerate(await worker_pods(client, about.namespace, job)):
        done = Prepared(uri="gs://lwm/runs/datasets/00", documents=1, tokens=2) if number == 0 else None
        await finish_worker(client, pod, TerminationMessage(code=0, reason="Complete", prepared=done))

    async def first() -> bool:
        return (await children(client, training))["Job"] == ["-d1-r0", "-s1-a1"]

    await life.until(training, first)
    (dataset,) = (await reload(client, training)).status.datasets
    assert (dataset.state, dataset.path) == ("Ready", "gs://lwm/runs/datasets/00")


PREPARED = {
    "datasets": [{"name": "books", "source": {"uri": "gs://lwm/books"}, "preparation": {"workers": 2}}],
    "podTemplate": {"nodeSelector": {"lwm.dev/test": "nowhere"}},
}


@pytest.fixture
async def settings(account: Path) -> Configuration:
    """With exactly the operator's rights."""
    configuration = Configuration()
    await load_kube_config(config_file=str(account), client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


@pytest.mark.parametrize(
    ("story", "whole", "changes"),
    [(fails_over, True, {}), (suspends, False, {}), (prepares, True, PREPARED)],
    ids=["fails over", "suspends", "prepares"],
)
async def test_whatever_write_it_dies_at_the_next_operator_ends_up_in_the_same_place(
    client: Client, settings: Configuration, namespace: str, story: Story, whole: bool, changes: dict[str, Any]
) -> None:
    async def lived(name: str, at: Write | None, *, heard: bool) -> tuple[dict[str, list[str]], Life]:
        training, life = await create(client, namespace, name, **changes), Life(settings, at, heard=heard)
        try:
            await story(life, client, training)
            return await children(client, training), life
        finally:
            await life.client.close()
            await client.call("DELETE", paths.item(names.KIND, namespace, name))

    calm, life = await lived("calm", None, heard=False)
    assert life.died_at == []
    writes = life.client.made
    targets = [(name, writes[:place].count(name)) for place, name in enumerate(writes) if whole or place >= life.begun]
    assert len(targets) > 5, "a story with hardly any write shows nothing"
    turns, deaths = asyncio.Semaphore(AT_ONCE), Counter[str]()

    async def dies(number: int, at: Write, *, heard: bool) -> None:
        async with turns:
            left, life = await lived(f"w{number}{'h' if heard else ''}", at, heard=heard)
        assert (at, heard, left) == (at, heard, calm)
        deaths.update(life.died_at)

    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(targets):
            for heard in (False, True):
                group.create_task(dies(number, at, heard=heard))
    # The Job's controller deletes a failed Job's pods too: where it was always first, the story is lived again until the operator was.
    for again in range(len(targets), len(targets) + LIVED_AGAIN):
        for name in sorted({name for name, _ in targets} - set(deaths)):
            await dies(again, (name, 0), heard=False)
    assert set(deaths) >= {name for name, _ in targets}, "every kind of write was died at"
    assert deaths.total() >= len(targets), "most lives ended early"
