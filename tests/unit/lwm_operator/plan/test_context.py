"""The size of what runs comes from what runs: a platform table that no longer knows a topology, or counts otherwise, ends nothing."""

import pytest

from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.plan.observed import JobView
from lwm_operator.plan.plan import plan
from lwm_operator.platforms import tpu
from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES
from simulation.builders import NOW, job, pod, report, running, seen, situation, status, training

TPU = {"type": "tpu", "tpu": {"family": "v5p", "topology": "2x2x2"}}
TWO_SLICES = {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}}


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator whose tables no longer know the families of these trainings."""
    monkeypatch.setattr(tpu, "GKE_TPU_FAMILIES", {"v4": GKE_TPU_FAMILIES["v4"]})


def a_slice(index: int, hosts: int = 2) -> JobView:
    return job(name=f"bible-s1-a1-x{index}", uid=f"u{index}", slice=index, slices=2, hosts=hosts)


def test_jobs_tell_their_hosts_and_slices() -> None:
    assert situation(running(), seen(job(hosts=2)), accelerator=TPU).hosts == 2
    assert situation(running(), seen(job(hosts=4)), accelerator=TPU).hosts == 4, "created by another operator"
    sliced = situation(running(), seen(a_slice(0), a_slice(1)), accelerator=TWO_SLICES)
    assert (sliced.hosts, sliced.slices) == (4, 2)
    assert situation(running(), seen(a_slice(0)), accelerator=TWO_SLICES).job is None


def test_before_there_are_jobs_the_spec_tells_them() -> None:
    assert situation(running(), seen(), accelerator=TWO_SLICES).hosts == 2


@pytest.mark.usefixtures("forgotten")
def test_the_jobs_suffice_when_no_table_knows_the_accelerator() -> None:
    assert situation(running(), seen(job(hosts=2)), accelerator=TPU).hosts == 2
    sliced = situation(running(), seen(a_slice(0), a_slice(1)), accelerator=TWO_SLICES)
    assert (sliced.hosts, sliced.job is not None) == (4, True)
    assert situation(running(), seen(a_slice(0)), accelerator=TWO_SLICES).job is None, "one of two is gone"


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("hosts", [2, 0])
def test_a_healthy_gang_trains_on_after_an_upgrade_that_forgets_its_topology(hosts: int) -> None:
    current = training(status(running(1)), accelerator=TPU)
    observed = seen(job(hosts=hosts), pod(0), pod(1), reports={(1, 1): report(step=30, committed_step=20)}, renewed="2026-01-01T12:00:00Z")
    decided = plan(current, observed, NOW)
    assert decided.actions == ()
    assert decided.status.stages[0].recent_attempts[0].state == AttemptState.RUNNING
    (accepted,) = (condition for condition in decided.status.conditions if condition.type == "Accepted")
    assert (accepted.status, "unknown TPU family v5p" in accepted.message) == ("False", True)
