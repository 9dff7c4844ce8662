from lwm_operator.api.attempt_status import Attempt, AttemptState, Placement
from lwm_operator.plan.attempt.placement import handed_over_placement, is_partially_placed, search_seconds, track_placement
from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.timestamps import stamp
from simulation.builders import cause, failed, later, pod, running


def unplaced(index: int, reason: str = "Unschedulable") -> PodView:
    return pod(index, state=PodState.PENDING, node=None, waiting=Waiting(reason=reason, message="no node", since=stamp(later(-9000))))


def tracked(attempt: Attempt, *pods: PodView, seconds: float = 0, queued: bool = False) -> Placement | None:
    return track_placement(attempt, pods, 2, later(seconds), queued=queued).placement


def test_a_gang_that_lacks_pods_is_partly_placed_whatever_keeps_them_from_nodes() -> None:
    for rest in ((), (unplaced(1),), (unplaced(1, "SchedulingGated"),), (pod(1, state=PodState.PENDING, node=None),)):
        assert is_partially_placed((pod(0), *rest), 2)
        assert not is_partially_placed(rest, 2)
    assert not is_partially_placed((pod(0), pod(1, state=PodState.PENDING)), 2)
    assert not is_partially_placed((pod(0),), 0), "a gang of unknown size"


def test_times_start_when_the_operator_sees_it_and_stay() -> None:
    starting = running(state=AttemptState.STARTING)
    first = tracked(starting, unplaced(0), unplaced(1))
    assert first == Placement(unplaced_since=stamp(later(0)))
    waiting = starting.model_copy(update={"placement": first})
    half = tracked(waiting, pod(0), unplaced(1), seconds=10_800)
    assert half == Placement(unplaced_since=stamp(later(0)), partial_since=stamp(later(10_800)))
    assert tracked(waiting.model_copy(update={"placement": half}), pod(0), unplaced(1), seconds=11_000) == half
    assert tracked(waiting.model_copy(update={"placement": half}), pod(0), pod(1), seconds=11_000) == Placement(
        complete_since=stamp(later(11_000))
    )


def test_a_time_in_the_future_starts_again_because_the_clock_was_set_back() -> None:
    half = Placement(unplaced_since=stamp(later(7200)), partial_since=stamp(later(7200)))
    starting = running(state=AttemptState.STARTING, placement=half)
    assert tracked(starting, pod(0), unplaced(1)) == Placement(unplaced_since=stamp(later(0)), partial_since=stamp(later(0)))


def test_nobody_looks_for_nodes_in_a_queue() -> None:
    starting = running(state=AttemptState.STARTING, placement=Placement(unplaced_since=stamp(later(0)), searched_seconds=70))
    assert tracked(starting, queued=True) == Placement(searched_seconds=70)


def test_only_an_attempt_that_gave_its_nodes_back_leaves_its_search_to_the_next_one() -> None:
    placement = Placement(unplaced_since=stamp(later(0)), searched_seconds=70, partial_since=stamp(later(5)))
    timed_out = failed(why=cause(reason="PlacementTimeout"), placement=placement)
    assert handed_over_placement(timed_out, later(900)) == Placement(searched_seconds=970)
    assert handed_over_placement(timed_out, later(-900)) == Placement(searched_seconds=70), "the clock was set back"
    assert handed_over_placement(failed(placement=placement), later(900)) is None
    quota = Placement(partial_since=stamp(later(5)))
    assert handed_over_placement(failed(why=cause(reason="PlacementTimeout"), placement=quota), later(900)) is None


def test_the_search_of_earlier_attempts_counts_and_the_time_between_does_not() -> None:
    assert search_seconds(Placement(searched_seconds=970), later(5000)) is None
    assert search_seconds(Placement(searched_seconds=970, unplaced_since=stamp(later(5000))), later(5100)) == 1070
    assert search_seconds(None, later(0)) is None
