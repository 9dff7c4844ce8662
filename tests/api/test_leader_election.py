"""The leader's Lease on a real API server."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from lwm_operator.cluster import leader as module
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client, Patch
from lwm_operator.cluster.leader import Leader, LeadershipLostError


class Clock:
    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def leader(client: Client, namespace: str, identity: str, clock: Clock) -> Leader:
    return Leader(client, namespace=namespace, name="lead", identity=identity, now=clock)


async def lead(candidate: Leader) -> None:
    """Fails where the candidate does not get the Lease, however slow the API server is."""
    async with asyncio.timeout(30):
        await candidate.acquire()


async def is_refused(candidate: Leader) -> bool:
    """Whether the candidate goes without the Lease for a second."""
    try:
        async with asyncio.timeout(1):
            await candidate.acquire()
    except TimeoutError:
        return True
    return False


async def test_one_leads_until_it_gives_the_lease_back(client: Client, namespace: str) -> None:
    clock = Clock()
    one, two = leader(client, namespace, "one", clock), leader(client, namespace, "two", clock)
    await lead(one)
    await lead(one)
    assert await is_refused(two)
    await one.release()
    await lead(two)
    await one.release()
    lease = await client.get(paths.item("Lease", namespace, "lead"))
    assert lease is not None
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("two", 2)


async def test_a_lease_that_ran_out_is_taken_over_and_its_holder_stops(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.5)
    clock, later = Clock(), Clock()
    one, two = leader(client, namespace, "one", clock), leader(client, namespace, "two", later)
    await lead(one)
    later.ahead = timedelta(seconds=module.LEASE_SECONDS + 5)
    await lead(two)
    async with asyncio.timeout(20):
        with pytest.raises(LeadershipLostError, match="was not renewed"):
            await one.hold()


async def test_a_holder_that_renews_keeps_it(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    one = leader(client, namespace, "one", Clock())
    await lead(one)

    async def spec() -> Body:
        lease = await client.get(paths.item("Lease", namespace, "lead"))
        assert lease is not None
        return dict(lease["spec"])

    before = await spec()
    holding = asyncio.create_task(one.hold())
    async with asyncio.timeout(30):
        while (after := await spec())["renewTime"] <= before["renewTime"]:  # noqa: ASYNC110 - compared with what the server has
            await asyncio.sleep(0.1)
    assert not holding.done()
    holding.cancel()
    assert after["acquireTime"] == before["acquireTime"]
    await client.patch(
        paths.item("Lease", namespace, "lead"), {"metadata": {"labels": {"touched": "by-others"}}}, Patch.MERGE, manager="other"
    )
    await lead(one)
