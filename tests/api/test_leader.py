"""The leader's Lease on a real API server."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from lwm_operator.cluster import leader as module
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client, Patch
from lwm_operator.cluster.leader import Leader, LeadershipLostError


class Clock:
    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def leader(client: Client, namespace: str, identity: str, clock: Clock) -> Leader:
    return Leader(client, namespace=namespace, name="lead", identity=identity, now=clock)


async def leads(candidate: Leader) -> bool:
    """Whether it gets the Lease within a moment."""
    try:
        async with asyncio.timeout(1):
            await candidate.acquire()
    except TimeoutError:
        return False
    return True


async def test_one_leads_until_it_gives_the_lease_back(client: Client, namespace: str) -> None:
    clock = Clock()
    one, two = leader(client, namespace, "one", clock), leader(client, namespace, "two", clock)
    assert await leads(one)
    assert await leads(one)
    assert not await leads(two)
    await one.release()
    assert await leads(two)
    await one.release()
    there = await client.get(paths.item("Lease", namespace, "lead"))
    assert there is not None
    assert (there["spec"]["holderIdentity"], there["spec"]["leaseTransitions"]) == ("two", 2)


async def test_a_lease_that_ran_out_is_taken_over_and_its_holder_stops(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.5)
    clock, later = Clock(), Clock()
    one, two = leader(client, namespace, "one", clock), leader(client, namespace, "two", later)
    assert await leads(one)
    later.ahead = timedelta(seconds=module.LEASE_SECONDS + 5)
    assert await leads(two)
    async with asyncio.timeout(20):
        with pytest.raises(LeadershipLostError, match="was not renewed"):
            await one.hold()


async def test_a_holder_that_renews_keeps_it(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    one = leader(client, namespace, "one", Clock())
    assert await leads(one)
    before = await client.get(paths.item("Lease", namespace, "lead"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await one.hold()
    after = await client.get(paths.item("Lease", namespace, "lead"))
    assert before is not None
    assert after is not None
    assert after["spec"]["renewTime"] > before["spec"]["renewTime"]
    assert after["spec"]["acquireTime"] == before["spec"]["acquireTime"]
    await client.patch(
        paths.item("Lease", namespace, "lead"), {"metadata": {"labels": {"touched": "by-others"}}}, Patch.MERGE, manager="other"
    )
    assert await leads(one)
