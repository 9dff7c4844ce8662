from lwm_operator.api.attempt_status import AttemptState, Placement, RootCause
from lwm_operator.plan.actions import DeletePod, Plan
from lwm_operator.plan.attempt.placement_timeout import placement_timed_out
from lwm_operator.plan.observed import JobView, Observed, PodState, PodView, Waiting
from lwm_operator.plan.plan import plan
from simulation.builders import job, later, pod, running, seen, status, training

NOON = "2026-01-01T12:00:00Z"
HALF = Placement(partial_since=NOON)


def unplaced(index: int) -> PodView:
    message = "0/2 nodes are available: 2 Insufficient google.com/tpu."
    return pod(index, state=PodState.PENDING, node=None, waiting=Waiting(reason="Unschedulable", message=message, since=NOON))


def timed_out(*pods: PodView, seconds: float, placement: Placement | None = HALF, of: JobView | None = None) -> RootCause | None:
    attempt = running(state=AttemptState.STARTING, placement=placement)
    return placement_timed_out(attempt, of or job(), pods, 2, 900, later(seconds))


def test_a_partial_gang_gives_its_nodes_back_after_the_timeout() -> None:
    half = (pod(0), unplaced(1))
    assert timed_out(*half, seconds=899) is None
    cause = timed_out(*half, seconds=900)
    assert cause is not None
    assert cause.reason == "PlacementTimeout"
    assert cause.message.startswith("1 of 2 pods found no node for 900 s while the others held theirs: 0/2 nodes are available")


def test_pods_that_do_not_exist_hold_the_others_up_as_well() -> None:
    cause = timed_out(pod(0), seconds=900, of=job(message="exceeded quota: team"))
    assert cause is not None
    assert cause.message == "1 of 2 pods found no node for 900 s while the others held theirs: exceeded quota: team"


def test_a_gang_without_any_node_holds_nothing_and_waits_for_ever() -> None:
    assert timed_out(unplaced(0), unplaced(1), seconds=1e6, placement=Placement(unplaced_since=NOON)) is None


def autoscaled(moments: dict[int, float], until: float) -> Plan:
    """Pass after pass over a gang of four hosts for which the scheduler finds no node; host i is bound after `moments[i]` seconds."""
    accelerator = {"type": "cpu", "cpu": {"hosts": 4, "devicesPerHost": 2}}
    current = training(status(running(state=AttemptState.STARTING)), accelerator=accelerator)
    passes = {0.0, until, *moments.values(), *(moment + 899 for moment in moments.values())}
    for seconds in sorted(seconds for seconds in passes if seconds <= until):
        pods = [pod(index, state=PodState.PENDING) if moments.get(index, 1e9) <= seconds else unplaced(index) for index in range(4)]
        decided = plan(current, seen(job(), *pods), later(seconds))
        if decided.actions:
            return decided
        current = current.model_copy(update={"status": decided.status})
    return decided


def test_the_timeout_starts_with_the_first_node_however_long_the_gang_had_none() -> None:
    hours = 3 * 3600.0
    one_by_one = {0: hours, 1: hours + 290, 2: hours + 580, 3: hours + 870}
    assert not autoscaled(one_by_one, hours + 2000).actions, "all are placed within 900 s of the first"
    assert not autoscaled({0: hours, 1: hours + 890}, hours + 899).actions
    late = autoscaled({0: hours, 1: hours + 890}, hours + 900)
    assert (late.status.reason, len([action for action in late.actions if isinstance(action, DeletePod)])) == ("PlacementTimeout", 4)


def test_the_operator_asks_to_be_woken_when_the_timeout_is_over() -> None:
    current = training(status(running(state=AttemptState.STARTING)))
    decided = plan(current, seen(job(), pod(0), unplaced(1)), later(0))
    assert decided.requeue_after == 901


def test_a_slice_that_runs_while_the_job_of_another_is_missing_gives_its_nodes_back() -> None:
    two_slices = {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}}
    starting = status(running(state=AttemptState.CREATING, placement=HALF))
    decided = plan(training(starting, accelerator=two_slices), Observed(jobs=(job(name="bible-s1-a1-x0"),), pods=(pod(0),)), later(900))
    assert decided.status.reason == "PlacementTimeout"
    assert [action for action in decided.actions if isinstance(action, DeletePod)]


def test_a_timed_out_search_goes_on_with_the_next_attempt() -> None:
    placement = Placement(unplaced_since=NOON, partial_since=NOON)
    current = training(status(running(state=AttemptState.STARTING, placement=placement)))
    decided = plan(current, seen(job(), pod(0), unplaced(1)), later(900))
    decided = plan(current.model_copy(update={"status": decided.status}), seen(job()), later(905))
    decided = plan(current.model_copy(update={"status": decided.status}), seen(job()), later(1000))
    newest = decided.status.stages[0].recent_attempts[0]
    assert (newest.number, newest.placement) == (2, Placement(searched_seconds=905))
