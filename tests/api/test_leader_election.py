"""The leader's Lease on a real API server. What depends on time is in tests/unit/lwm_operator/cluster/test_leader.py."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from lwm_operator.cluster import leader as module
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client, Patch
from lwm_operator.cluster.leader import Leader, LeadershipLostError


def leader(client: Client, namespace: str, identity: str, wrong: timedelta = timedelta()) -> Leader:
    """`wrong` is how far its wall clock is ahead."""
    return Leader(client, namespace=namespace, name="lead", identity=identity, now=lambda: datetime.now(UTC) + wrong)


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


async def spec(client: Client, namespace: str) -> Body:
    lease = await client.get(paths.item("Lease", namespace, "lead"))
    assert lease is not None
    return dict(lease["spec"])


async def test_one_leads_until_it_gives_the_lease_back(client: Client, namespace: str) -> None:
    one, two = leader(client, namespace, "one"), leader(client, namespace, "two")
    await lead(one)
    await lead(one)
    assert await is_refused(two)
    await one.release()
    await lead(two)
    await one.release()
    lease = await spec(client, namespace)
    assert (lease["holderIdentity"], lease["leaseTransitions"]) == ("two", 2)


async def test_a_lease_without_renewals_is_taken_over_and_its_holder_stops(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    one, two = leader(client, namespace, "one", timedelta(days=1)), leader(client, namespace, "two", timedelta(days=-1))
    await lead(one)
    await lead(two)
    assert (await spec(client, namespace))["holderIdentity"] == "two"
    async with asyncio.timeout(30):
        with pytest.raises(LeadershipLostError, match="is held by two"):
            await one.hold()


async def test_a_holder_that_renews_keeps_it(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    one = leader(client, namespace, "one")
    await lead(one)
    before = await spec(client, namespace)
    holding = asyncio.create_task(one.hold())
    async with asyncio.timeout(30):
        while (after := await spec(client, namespace))["renewTime"] <= before["renewTime"]:  # noqa: ASYNC110 - the server has it
            await asyncio.sleep(0.1)
    assert not holding.done()
    holding.cancel()
    assert after["acquireTime"] == before["acquireTime"]
    await client.patch(
        paths.item("Lease", namespace, "lead"), {"metadata": {"labels": {"touched": "by-others"}}}, Patch.MERGE, manager="other"
    )
    await lead(one)
