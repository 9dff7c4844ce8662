"""The reconciler and its workers against a cluster that refuses: what ends a pass, and what is said about it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training
from lwm_operator.cluster.port import (
    ClusterError,
    ConflictError,
    NameConflictError,
    StaleObservationError,
    TrainingKey,
    UnansweredError,
    UnreadableTrainingError,
    no_check,
)
from lwm_operator.controller import metrics
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.controller.workers import run_worker
from lwm_operator.plan.actions import Action, CreateAttempt, DeleteAttempt, Event
from lwm_operator.plan.observed import Observed, PodState
from lwm_operator.plan.timestamps import stamp
from simulation.builders import NOW, failed, job, pod, report, running, seen, status, training

KEY = TrainingKey("default", "bible")


class FakeCluster:
    """Implements ClusterPort with one training and no children. `requests` are its effects in order; `errors` are raised by methods."""

    def __init__(self, **errors: ClusterError) -> None:
        self.training: Training | None = training()
        self.errors = errors
        self.requests: list[str] = []
        self.actions: list[Action] = []
        self.events: list[Event] = []
        self.patches: list[Status] = []

    def now(self) -> datetime:
        return NOW

    async def list_trainings(self) -> list[TrainingKey]:
        return [KEY]

    async def read_training(self, key: TrainingKey) -> Training | None:
        self._raise("read_training")
        return self.training

    async def observe(self, training: Training) -> Observed:
        return Observed()

    async def write_status(self, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
        last_check()
        self.requests.append("write_status")
        self._raise("write_status")
        assert self.training is not None
        changed = status != self.training.status
        self.training = self.training.model_copy(update={"status": status})
        return changed

    async def patch_status(self, metadata: Metadata, status: Status) -> None:
        self.requests.append("patch_status")
        self._raise("patch_status")
        self.patches.append(status)

    async def carry_out(self, training: Training, action: Action) -> None:
        self.requests.append("carry_out")
        self.actions.append(action)
        self._raise("carry_out")

    async def post_event(self, regarding: Metadata, event: Event) -> None:
        self.requests.append("post_event")
        self.events.append(event)
        self._raise("post_event")

    def _raise(self, method: str) -> None:
        if method in self.errors:
            raise self.errors[method]


async def test_the_status_is_written_before_events_and_these_before_actions() -> None:
    cluster = FakeCluster()
    await Reconciler(cluster).reconcile(KEY)
    assert cluster.requests[0] == "write_status"
    assert cluster.requests[-1] == "carry_out"
    assert set(cluster.requests[1:-1]) == {"post_event"}
    assert [type(action) for action in cluster.actions] == [CreateAttempt]


async def test_a_conflict_ends_the_pass_before_anything_is_done() -> None:
    cluster = FakeCluster(write_status=ConflictError("the training has been written since it was read"))
    with pytest.raises(ConflictError):
        await Reconciler(cluster).reconcile(KEY)
    assert (cluster.actions, cluster.events) == ([], [])


async def test_an_attempt_is_given_up_only_by_a_fresh_observation_and_a_failure_counts_however_old() -> None:
    silent = seen(job(), pod(0), pod(1), reports={(1, 1): report(idle_seconds=1000)}, renewed=stamp(NOW))
    has_failed = seen(job(), pod(0), pod(1, state=PodState.FAILED, exit_code=70))

    class Paused(FakeCluster):
        def __init__(self, pause: float, children: Observed) -> None:
            super().__init__()
            self.training = training(status(running()))
            self.seconds, self.pause, self.children = 0.0, pause, children

        async def observe(self, training: Training) -> Observed:
            self.seconds += self.pause
            return self.children

    async def ends_attempt(pause: float, children: Observed) -> bool:
        cluster = Paused(pause, children)
        await Reconciler(cluster, lambda: cluster.seconds).reconcile(KEY)
        assert cluster.training is not None
        return cluster.training.status.stages[0].recent_attempts[0].root_cause is not None

    assert await ends_attempt(29.0, silent)
    assert await ends_attempt(3600.0, has_failed)
    late = Paused(31.0, silent)
    with pytest.raises(StaleObservationError, match="31 s ago"):
        await Reconciler(late, lambda: late.seconds).reconcile(KEY)
    assert (late.requests, late.actions) == ([], []), "it looks again before it ends anything"


async def test_a_refused_creation_is_explained_in_the_status_and_in_an_event() -> None:
    cluster = FakeCluster(carry_out=NameConflictError("Service bible exists but belongs to another owner"))
    with pytest.raises(NameConflictError):
        await Reconciler(cluster).reconcile(KEY)
    assert cluster.training is not None
    status = cluster.training.status
    explanation = "create attempt 1 of stage 1: Service bible exists but belongs to another owner"
    assert (status.reason, status.message) == ("CreateFailed", explanation)
    assert (cluster.events[-1].reason, cluster.events[-1].type, cluster.events[-1].message) == ("ActionFailed", "Warning", explanation)


async def test_a_refused_action_leaves_the_others_their_turn_and_an_unanswered_one_does_not() -> None:
    class Refusing(FakeCluster):
        async def observe(self, training: Training) -> Observed:
            return seen(*(job(attempt=number) for number in (1, 2, 3)))

    attempts = status(*(failed(number) for number in (4, 3, 2, 1)))
    for error, kinds in (
        (ClusterError("forbidden"), [DeleteAttempt, DeleteAttempt, CreateAttempt]),
        (UnansweredError("no answer"), [DeleteAttempt]),
    ):
        cluster = Refusing(carry_out=error)
        policy = {"failedAttemptsHistoryLimit": 1}
        cluster.training = training(attempts, failurePolicy=policy)
        with pytest.raises(type(error)):
            await Reconciler(cluster).reconcile(KEY)
        assert [type(action) for action in cluster.actions] == kinds, "deletions free the room that creations need"


async def test_a_refusal_with_a_varying_message_is_one_event() -> None:
    keys = set()
    for port in (40001, 40002):
        cluster = FakeCluster(carry_out=ClusterError(f"read tcp 172.16.0.2:{port}: connection reset by peer"))
        with pytest.raises(ClusterError):
            await Reconciler(cluster).reconcile(KEY)
        keys.add(cluster.events[-1].key)
    other = FakeCluster(carry_out=NameConflictError("Service bible exists"))
    with pytest.raises(NameConflictError):
        await Reconciler(other).reconcile(KEY)
    assert len(keys) == 1
    assert other.events[-1].key not in keys, "another kind of refusal is another Event"


async def test_a_refused_creation_whose_explanation_cannot_be_written_is_still_the_error_of_the_pass() -> None:
    class Overtaken(FakeCluster):
        async def write_status(self, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
            if self.actions:
                raise ConflictError("the training has been written since it was read")
            return await super().write_status(training, status, last_check)

    cluster = Overtaken(carry_out=NameConflictError("taken"))
    with pytest.raises(NameConflictError):
        await Reconciler(cluster).reconcile(KEY)
    assert cluster.training is not None
    assert cluster.training.status.reason == "Creating"
    assert cluster.events[-1].reason == "ActionFailed"


async def test_events_that_cannot_be_posted_do_not_stop_a_training() -> None:
    cluster = FakeCluster(post_event=ClusterError("events is forbidden"))
    await Reconciler(cluster).reconcile(KEY)
    assert [type(action) for action in cluster.actions] == [CreateAttempt]


UNREADABLE = UnreadableTrainingError(training().metadata, "spec.stages: the CRD and the operator differ")


async def test_a_training_that_cannot_be_parsed_says_so_in_status_and_event_and_nothing_else_happens() -> None:
    cluster = FakeCluster(read_training=UNREADABLE)
    assert await Reconciler(cluster).reconcile(KEY) is None
    assert cluster.requests == ["patch_status", "post_event"]
    (patch,) = cluster.patches
    assert (patch.phase, patch.reason, patch.message) == ("Pending", "Unreadable", str(UNREADABLE))
    assert (cluster.events[0].reason, cluster.events[0].message) == ("Unreadable", str(UNREADABLE))


async def test_a_refused_status_leaves_the_event_of_a_training_that_cannot_be_parsed() -> None:
    cluster = FakeCluster(read_training=UNREADABLE, patch_status=ConflictError("written since"))
    assert await Reconciler(cluster).reconcile(KEY) is None
    assert [event.reason for event in cluster.events] == ["Unreadable"]


async def test_a_training_that_is_gone_has_no_metrics_any_longer() -> None:
    cluster = FakeCluster()
    await Reconciler(cluster).reconcile(KEY)
    assert KEY in {labels[:2] for labels in metrics.STEP._metrics}
    cluster.training = None
    assert await Reconciler(cluster).reconcile(KEY) is None
    assert KEY not in {labels[:2] for labels in metrics.STEP._metrics}


async def work_until(cluster: FakeCluster, done: Callable[[KeyedQueue[TrainingKey]], Any]) -> KeyedQueue[TrainingKey]:
    """A worker with the key in its queue, stopped as soon as `done`."""
    queue: KeyedQueue[TrainingKey] = KeyedQueue(lambda: 0.0)
    queue.add(KEY)
    worker = asyncio.create_task(run_worker(queue, Reconciler(cluster)))
    async with asyncio.timeout(10):
        while not done(queue):  # noqa: ASYNC110 - the worker changes it
            await asyncio.sleep(0)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return queue


@pytest.mark.parametrize(
    ("error", "failures"), [(ConflictError("written since"), 0.0), (ClusterError("503"), 1.0), (NameConflictError("taken"), 1.0)]
)
async def test_every_error_is_retried_with_back_off_and_a_conflict_is_no_failure(error: ClusterError, failures: float) -> None:
    before = metrics.FAILURES._value.get()
    queue = await work_until(FakeCluster(write_status=error), lambda queue: queue._failures.get(KEY))
    assert queue._failures.get(KEY) == 1
    assert metrics.FAILURES._value.get() - before == failures
