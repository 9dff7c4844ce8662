"""Leader election in virtual time, with clocks that are wrong and an API server that hangs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lwm_operator.cluster.client import ApiError
from lwm_operator.cluster.leader import LEASE_SECONDS, RENEW_DEADLINE_SECONDS, RETRY_SECONDS, TRY_SECONDS, Leader, LeadershipLostError
from support import virtual_time
from support.lease_api import LeaseClient, LeaseServer, Trip

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG = 300.0
FAULTS = 12
TAKEOVER_SECONDS = LEASE_SECONDS + RETRY_SECONDS + TRY_SECONDS
"""The longest time from the death of a leader to its successor, where the API server answers."""

clocks = st.sampled_from(["right", "frozen"]) | st.floats(-86400, 86400)
"""The right time, one that stands still, or one that is wrong by so many seconds."""


def wall_clock(kind: str | float) -> Callable[[], datetime]:
    def now() -> datetime:
        elapsed = 0.0 if kind == "frozen" else asyncio.get_running_loop().time()
        return START + timedelta(seconds=elapsed + (kind if isinstance(kind, float) else 0.0))

    return now


def candidate(client: LeaseClient, identity: str, clock: str | float = "right") -> Leader:
    return Leader(client, namespace="lwm-system", name="lwm-operator", identity=identity, now=wall_clock(clock))


class Terms:
    """Who led from when to when."""

    def __init__(self) -> None:
        self.leading: set[str] = set()
        self.starts: list[tuple[float, str]] = []

    async def serve(self, leader: Leader, identity: str) -> None:
        """Lead again and again; while one leads, no other may."""
        while True:
            await leader.acquire()
            assert not self.leading, f"{identity} leads beside {self.leading}"
            self.leading.add(identity)
            self.starts.append((asyncio.get_running_loop().time(), identity))
            try:
                await leader.hold()
            except LeadershipLostError:
                pass
            finally:
                self.leading.discard(identity)


trips = st.builds(Trip, there=st.floats(0, 12), back=st.floats(0, 12), request_lost=st.booleans(), answer_lost=st.booleans())


HANGS = [
    [],
    [Trip(back=1.0, there=0.0)],
    [Trip(there=0.0, back=4.0), Trip(there=0.0, back=0.0)] * 2 + [Trip(there=0.0, back=4.0)],
]
"""A candidate that sees every second renewal only."""


@settings(max_examples=50, deadline=None)
@example(kinds=["frozen", "right", "right"], bad=HANGS)
@given(kinds=st.lists(clocks, min_size=2, max_size=3), bad=st.lists(st.lists(trips, max_size=FAULTS), min_size=3, max_size=3))
def test_two_never_lead_and_somebody_leads_once_the_api_server_answers(kinds: list[str | float], bad: list[list[Trip]]) -> None:
    async def history() -> None:
        server, terms = LeaseServer(), Terms()
        tasks = []
        for number, kind in enumerate(kinds):
            faults = iter(bad[number])
            client = LeaseClient(server, lambda faults=faults: next(faults, Trip()))  # type: ignore[misc]
            tasks.append(asyncio.create_task(terms.serve(candidate(client, f"operator-{number}", kind), f"operator-{number}")))
        # Every try ends within TRY_SECONDS, so that this is long after the last fault.
        done, _ = await asyncio.wait(tasks, timeout=FAULTS * (TRY_SECONDS + RETRY_SECONDS) + 3 * TAKEOVER_SECONDS)
        for task in done:
            task.result()
        assert len(terms.leading) == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    virtual_time.run(history())


@pytest.mark.parametrize("dead", ["right", "frozen", 600.0, -600.0])
@pytest.mark.parametrize("successor", ["right", "frozen", 600.0, -600.0])
def test_a_successor_waits_for_the_lease_duration_whatever_the_clocks_say(dead: str | float, successor: str | float) -> None:
    async def history() -> float:
        server = LeaseServer()
        await candidate(LeaseClient(server), "dead", dead).acquire()
        started = asyncio.get_running_loop().time()
        await candidate(LeaseClient(server), "successor", successor).acquire()
        return asyncio.get_running_loop().time() - started

    assert LEASE_SECONDS < virtual_time.run(history()) <= LEASE_SECONDS + 2 * RETRY_SECONDS


@pytest.mark.parametrize("standby", ["right", 20.0, 86400.0])
def test_a_standby_leaves_a_leader_that_renews_alone(standby: str | float) -> None:
    async def history() -> None:
        server = LeaseServer()
        leader, waiting = candidate(LeaseClient(server), "leader", "frozen"), candidate(LeaseClient(server), "standby", standby)
        await leader.acquire()
        holding = asyncio.create_task(leader.hold())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG):
                await waiting.acquire()
        assert not holding.done()
        holding.cancel()

    virtual_time.run(history())


@pytest.mark.parametrize("lost", [Trip(request_lost=True), Trip(answer_lost=True), Trip(there=29.0)])
def test_a_leader_gives_up_before_the_lease_runs_out_when_the_api_server_hangs(lost: Trip) -> None:
    async def history() -> float:
        trip = Trip()
        leader = candidate(LeaseClient(LeaseServer(), lambda: trip), "leader")
        await leader.acquire()
        trip = lost
        with pytest.raises(LeadershipLostError, match="was not renewed for 10 s"):
            await leader.hold()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(history()) <= RENEW_DEADLINE_SECONDS < LEASE_SECONDS


def test_one_hanging_request_costs_no_leadership() -> None:
    async def history() -> None:
        queued = [Trip(request_lost=True)]
        leader = candidate(LeaseClient(LeaseServer(), lambda: queued.pop() if queued else Trip()), "leader")
        await leader.acquire()
        holding = asyncio.create_task(leader.hold())
        await asyncio.sleep(LONG)
        queued.append(Trip(request_lost=True))
        await asyncio.sleep(60)
        assert not holding.done()
        holding.cancel()

    virtual_time.run(history())


def test_a_leader_stops_at_once_when_another_holds_the_lease() -> None:
    async def history() -> float:
        server = LeaseServer()
        leader = candidate(LeaseClient(server), "leader")
        await leader.acquire()
        assert server.lease is not None
        server.lease["spec"]["holderIdentity"] = "usurper"
        with pytest.raises(LeadershipLostError, match="is held by usurper"):
            await leader.hold()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(history()) < 2 * RETRY_SECONDS


def test_a_deleted_lease_stays_its_holders() -> None:
    async def history() -> None:
        server = LeaseServer()
        leader, standby = candidate(LeaseClient(server), "leader"), candidate(LeaseClient(server), "standby")
        await leader.acquire()
        holding, waiting = asyncio.create_task(leader.hold()), asyncio.create_task(standby.acquire())
        await asyncio.sleep(60)
        server.delete()
        await asyncio.sleep(60)
        assert server.lease is not None
        assert not holding.done()
        assert not waiting.done()
        holding.cancel()
        waiting.cancel()

    virtual_time.run(history())


def test_a_released_lease_is_taken_at_once() -> None:
    async def history() -> tuple[float, int]:
        server = LeaseServer()
        leader = candidate(LeaseClient(server), "leader", 600.0)
        await leader.acquire()
        await leader.release()
        await candidate(LeaseClient(server), "successor", -600.0).acquire()
        assert server.lease is not None
        return asyncio.get_running_loop().time(), server.lease["spec"]["leaseTransitions"]

    seconds, transitions = virtual_time.run(history())
    assert seconds < RETRY_SECONDS
    assert transitions == 2


def test_a_candidate_reports_each_new_holder_and_each_new_error_once() -> None:
    async def history() -> list[tuple[str, int | None]]:
        reports: list[tuple[str, int | None]] = []
        server, trip = LeaseServer(), Trip()
        await candidate(LeaseClient(server), "leader").acquire()

        def report(holder: str, error: ApiError | None) -> None:
            reports.append((holder, None if error is None else error.code))

        waiting = Leader(
            LeaseClient(server, lambda: trip), namespace="n", name="lwm-operator", identity="b", now=wall_clock("right"), report=report
        )
        task = asyncio.create_task(waiting.acquire())
        await asyncio.sleep(10)
        trip = Trip(request_lost=True)
        await task if task.done() else await asyncio.sleep(60)
        task.cancel()
        return reports

    assert virtual_time.run(history()) == [("leader", None), ("", 0)]
