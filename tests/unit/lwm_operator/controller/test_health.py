import asyncio

from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.health import STUCK_SECONDS, find_problem
from lwm_operator.controller.queue import KeyedQueue


async def test_health_fails_for_a_stuck_key_and_for_a_dead_task() -> None:
    now = [0.0]
    queue: KeyedQueue[TrainingKey] = KeyedQueue(lambda: now[0])
    forever = asyncio.create_task(asyncio.sleep(3600), name="worker-0")
    assert find_problem(queue, [forever]) is None
    queue.add(TrainingKey("default", "bible"))
    now[0] += STUCK_SECONDS + 1
    assert find_problem(queue, [forever]) == f"the oldest key has waited {STUCK_SECONDS + 1:.0f} s"
    queue.poll()
    queue.done(TrainingKey("default", "bible"))
    forever.cancel()
    await asyncio.gather(forever, return_exceptions=True)
    assert find_problem(queue, [forever]) == "these tasks have ended: worker-0"
