import asyncio

from lwm_operator.controller.queue import KeyedQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def queue() -> tuple[KeyedQueue[str], Clock]:
    clock = Clock()
    return KeyedQueue(clock, jitter=lambda: 1.0), clock


def test_adds_coalesce_and_keep_their_order() -> None:
    q, _ = queue()
    for key in ("a", "b", "a"):
        q.add(key)
    assert [q.poll(), q.poll(), q.poll()] == ["a", "b", None]


def test_a_key_that_is_worked_on_comes_again_only_when_done() -> None:
    q, _ = queue()
    q.add("a")
    assert q.poll() == "a"
    q.add("a")
    q.add("a")
    assert q.poll() is None
    q.done("a")
    assert [q.poll(), q.poll()] == ["a", None]
    q.done("a")
    assert q.poll() is None


def test_of_several_delays_the_earliest_counts() -> None:
    q, clock = queue()
    q.add_after("a", 10)
    q.add_after("a", 5)
    q.add_after("a", 20)
    assert q.poll() is None
    clock.now += 5
    assert q.poll() == "a"
    q.done("a")
    clock.now += 100
    assert q.poll() is None


def test_an_add_overtakes_a_delay() -> None:
    q, clock = queue()
    q.add_after("a", 10)
    q.add("a")
    assert q.poll() == "a"
    q.done("a")
    clock.now += 10
    assert q.poll() is None


def test_failures_back_off_until_forgotten() -> None:
    q, clock = queue()
    waits = []
    for _ in range(12):
        waits.append(q.retry("a"))
        clock.now += waits[-1]
        assert q.poll() == "a"
        q.done("a")
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    q.forget("a")
    assert q.retry("a") == 0.5


def test_the_longest_work_is_known_and_waiting_is_no_work() -> None:
    q, clock = queue()
    q.add("a")
    q.add("b")
    clock.now += 7
    assert q.longest_work_seconds() == 0
    q.poll()
    clock.now += 2
    q.poll()
    clock.now += 9
    assert q.longest_work_seconds() == 11
    q.done("a")
    assert q.longest_work_seconds() == 9
    q.done("b")
    assert q.longest_work_seconds() == 0


async def test_get_wakes_for_adds_and_for_delays() -> None:
    q: KeyedQueue[str] = KeyedQueue(asyncio.get_running_loop().time)
    q.add_after("late", 0.05)
    waiting = asyncio.create_task(q.get())
    await asyncio.sleep(0)
    q.add("now")
    assert await waiting == "now"
    assert await asyncio.wait_for(q.get(), 2) == "late"
