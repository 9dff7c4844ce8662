"""What the probes are told, in virtual time where it takes minutes."""

import asyncio

import pytest

from lwm_operator.cluster.port import ClusterError, TrainingKey
from lwm_operator.controller.health import STUCK_SECONDS, UNREACHABLE_SECONDS, Health, Role
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.workers import RECONCILE_SECONDS, run_worker
from support import virtual_time


class Reconciles:
    """Each reconcile takes so long, and then fails as in an outage."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun: set[TrainingKey] = set()

    async def reconcile(self, key: TrainingKey) -> float | None:
        self.begun.add(key)
        await asyncio.sleep(self.seconds)
        raise ClusterError("no answer")


async def problems(reconciler: Reconciles, trainings: int, seconds: int) -> set[str | None]:
    """What liveness says in that time, with four workers."""
    queue: KeyedQueue[TrainingKey] = KeyedQueue(asyncio.get_running_loop().time)
    tasks = [asyncio.create_task(run_worker(queue, reconciler)) for _ in range(4)]  # type: ignore[arg-type]
    health = Health(lambda: 0.0, {})
    health.lead(queue, tasks)
    for number in range(trainings):
        queue.add(TrainingKey("default", f"t{number}"))
    seen = set()
    for _ in range(seconds):
        await asyncio.sleep(1)
        seen.add(health.liveness_problem())
    for task in tasks:
        task.cancel()
    return seen


def test_an_api_server_that_answers_nothing_does_not_end_the_operator() -> None:
    assert virtual_time.run(problems(Reconciles(30.0), 60, 900)) == {None}


def test_a_reconcile_that_never_ends_is_ended_and_the_worker_goes_on() -> None:
    reconciler = Reconciles(1e9)
    assert RECONCILE_SECONDS < STUCK_SECONDS
    assert virtual_time.run(problems(reconciler, 5, 500)) == {None}
    assert len(reconciler.begun) == 5


async def test_health_fails_for_a_stuck_worker_and_for_a_dead_task() -> None:
    now = [0.0]
    queue: KeyedQueue[TrainingKey] = KeyedQueue(lambda: now[0])
    forever = asyncio.create_task(asyncio.sleep(3600), name="worker-0")
    health = Health(lambda: 0.0, {})
    health.lead(queue, [forever])
    queue.add(TrainingKey("default", "bible"))
    now[0] += STUCK_SECONDS + 1
    assert health.liveness_problem() is None
    queue.poll()
    now[0] += STUCK_SECONDS + 1
    assert health.liveness_problem() == f"a worker has been busy with one training for {STUCK_SECONDS + 1:.0f} s"
    assert health.readiness_problem() == health.liveness_problem()
    queue.done(TrainingKey("default", "bible"))
    forever.cancel()
    await asyncio.gather(forever, return_exceptions=True)
    assert health.liveness_problem() == "these tasks have ended: worker-0"


@pytest.mark.parametrize("role", Role)
def test_a_process_is_ready_once_it_works_or_could_take_over_and_the_api_server_answers(role: Role) -> None:
    unreachable = 0.0
    health = Health(lambda: unreachable, {})
    health.role = role
    assert health.liveness_problem() is None
    assert health.readiness_problem() == (role.value if role == Role.STARTING else None)
    unreachable = UNREACHABLE_SECONDS + 1
    assert health.liveness_problem() is None
    assert health.readiness_problem() == "the API server has not answered for 11 s"


def test_namespaces_that_are_not_served_are_shown() -> None:
    health = Health(lambda: 0.0, {"team-a": "403 Forbidden"})
    health.role = Role.LEADING
    assert health.readiness_problem() is None
    assert health.describe() == "leading\nnamespace team-a is not served: 403 Forbidden"
