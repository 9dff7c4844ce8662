"""Every timer of the plan starts where docs/guides/failures.md says, and a clock that is set back never makes it longer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.api.status import NodeFault, Status
from lwm_operator.plan.actions import CreateAttempt, DeletePod, Plan
from lwm_operator.plan.observed import Observed, PodState, PodView, Waiting
from lwm_operator.plan.plan import plan
from lwm_operator.plan.timestamps import stamp
from simulation.builders import NOW, cause, failed, job, later, pod, report, running, seen, status, training

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "failures.md"
HOUR = 3600.0
FAULTY = tuple(NodeFault(node="node9", at=stamp(later(-HOUR))) for _ in range(2))


def unplaced(index: int) -> PodView:
    """A pod that the scheduler has found no node for since yesterday."""
    return pod(
        index, state=PodState.PENDING, node=None, waiting=Waiting(reason="Unschedulable", message="none", since=stamp(later(-86400)))
    )


def has_reason(reason: str) -> Callable[[Plan], bool]:
    return lambda decided: decided.status.reason == reason


def creates_attempt(decided: Plan) -> bool:
    return any(isinstance(action, CreateAttempt) for action in decided.actions)


def deletes_pods(decided: Plan) -> bool:
    return any(isinstance(action, DeletePod) for action in decided.actions)


@dataclass(frozen=True, kw_only=True)
class Timer:
    """`starts` is the status when the timer has just started, at noon; with `observed` unchanged it is over after `seconds`."""

    row: str
    """The beginning of its row in the guide."""
    starts: Status
    observed: Observed
    seconds: float
    is_over: Callable[[Plan], bool]
    silence_seconds: float = 0.0
    """What comes before its start, and must be seen again when the clock is set back."""


STARTING = running(state=AttemptState.STARTING)
HUNG = seen(job(), pod(0), pod(1), reports={(1, 1): report(step=7)}, renewed=stamp(later(-1000)))
TIMERS = (
    Timer(
        row="`execution.placementTimeoutSeconds`",
        starts=status(STARTING),
        observed=seen(job(), pod(0), unplaced(1)),
        seconds=900,
        is_over=has_reason("PlacementTimeout"),
    ),
    Timer(
        row="`execution.startupTimeoutSeconds`",
        starts=status(STARTING),
        observed=seen(job(), pod(0), pod(1)),
        seconds=10800,
        is_over=has_reason("StartupTimeout"),
    ),
    Timer(
        row="an avoided node is used again",
        starts=status(running(state=AttemptState.STARTING, avoided_nodes=("node9",))).model_copy(update={"node_faults": FAULTY}),
        observed=seen(job(), unplaced(0), unplaced(1)),
        seconds=1800,
        is_over=has_reason("AvoidedNodesNeeded"),
    ),
    Timer(
        row="host 0 renews its Lease no more",
        starts=status(running()),
        observed=HUNG,
        seconds=60,
        is_over=has_reason("LeaseNotRenewed"),
        silence_seconds=360,
    ),
    Timer(
        row="survivors exit by themselves",
        starts=status(running(state=AttemptState.STOPPING, root_cause=cause(reason="HostLost"), finished_at=stamp(NOW))),
        observed=seen(job(), pod(0), pod(1, state=PodState.FAILED, exit_code=79)),
        seconds=10,
        is_over=deletes_pods,
    ),
    Timer(
        row="back-off before the next attempt",
        starts=status(failed(3, finished_at=stamp(NOW)), failed(2), failed(1)),
        observed=seen(),
        seconds=20,
        is_over=creates_attempt,
    ),
)


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.row)
def test_a_timer_ends_after_its_time_and_not_before(timer: Timer) -> None:
    first = plan(training(timer.starts), timer.observed, NOW)
    assert not timer.is_over(first)
    assert first.requeue_after is not None
    assert first.requeue_after <= timer.seconds + 1, "nothing else wakes the operator"
    assert not timer.is_over(plan(training(first.status), timer.observed, later(timer.seconds * 0.7)))
    assert timer.is_over(plan(training(first.status), timer.observed, later(timer.seconds)))


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.row)
@pytest.mark.parametrize("back", [60.0, HOUR, 48 * HOUR])
def test_a_clock_that_is_set_back_makes_no_timer_longer_than_its_time_from_then_on(timer: Timer, back: float) -> None:
    current = plan(training(timer.starts), timer.observed, NOW)
    if timer.is_over(set_back := plan(training(current.status), timer.observed, later(-back))):
        return
    assert timer.is_over(plan(training(set_back.status), timer.observed, later(timer.seconds + timer.silence_seconds + 1 - back)))


def test_the_guide_lists_each_timer() -> None:
    rows = [line.removeprefix("| ") for line in GUIDE.read_text().splitlines() if line.startswith("| ")]
    assert [timer.row for timer in TIMERS if not any(row.startswith(timer.row) for row in rows)] == []
