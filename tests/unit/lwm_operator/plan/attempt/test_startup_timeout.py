import pytest

from lwm_operator.api.attempt_status import AttemptState, FailureClass, Placement
from lwm_operator.api.execution import Execution
from lwm_operator.api.status import NodeFault, Phase
from lwm_operator.plan.actions import CreateAttempt, DeletePod, Plan
from lwm_operator.plan.observed import Observed, PodState, PodView, Waiting
from lwm_operator.plan.plan import plan
from lwm_trainer.config import Phase as TrainerPhase
from lwm_trainer.runtime.phase_tracker import DEADLINES
from simulation.builders import job, later, pod, report, running, seen, status, training

NOON = "2026-01-01T12:00:00Z"
PLACED = Placement(complete_since=NOON)
LIMIT = Execution().startup_timeout_seconds


def waiting(index: int, reason: str, message: str = "", node: str | None = "node2") -> PodView:
    return pod(index, state=PodState.PENDING, node=node, waiting=Waiting(reason=reason, message=message, since=NOON))


def planned(observed: Observed, seconds: float, placement: Placement | None = PLACED, **execution: object) -> Plan:
    current = training(status(running(state=AttemptState.STARTING, placement=placement)), execution=execution)
    return plan(current, observed, later(seconds))


ALL_RUN = seen(job(), pod(0), pod(1))


@pytest.mark.parametrize(
    ("observed", "doing"),
    [
        (ALL_RUN, "all hosts run, and host 0 has reported nothing"),
        (seen(job(), pod(0), pod(1), reports={(1, 1): report(phase=TrainerPhase.COMPILING)}), "host 0 reports phase Compiling"),
        (seen(job(), pod(0), pod(1), reports={(1, 1): report(phase=TrainerPhase.TRAINING)}), "host 0 reports phase Training"),
        (
            seen(job(), pod(0), waiting(1, "FailedCreatePodSandBox", "cni plugin not initialized")),
            "host 1 (bible-s1-a1-1 on node node2): FailedCreatePodSandBox: cni plugin not initialized",
        ),
        (
            seen(job(), pod(0), waiting(1, "ImagePullBackOff", "no route to host")),
            "host 1 (bible-s1-a1-1 on node node2): ImagePull: no route",
        ),
        (
            seen(job(), pod(0), waiting(1, "PodInitializing")),
            "host 1 (bible-s1-a1-1 on node node2): ContainerCreating: the node sets them up",
        ),
        (seen(job(), waiting(0, "Pulling"), waiting(1, "Pulling")), "host 0 (bible-s1-a1-0 on node node2): Pulling"),
    ],
)
def test_an_attempt_without_a_first_step_fails_and_says_what_its_hosts_did(observed: Observed, doing: str) -> None:
    early, late = planned(observed, LIMIT - 1), planned(observed, LIMIT)
    assert early.actions == ()
    assert late.status.reason == "StartupTimeout"
    cause = late.status.stages[0].recent_attempts[0].root_cause
    assert cause is not None
    assert cause.failure_class == FailureClass.INFRA
    assert cause.message.startswith(f"no step within {LIMIT} s (execution.startupTimeoutSeconds) after all pods had nodes: ")
    assert doing in cause.message
    assert len([action for action in late.actions if isinstance(action, DeletePod)]) == 2


def test_the_timeout_starts_when_the_last_pod_gets_its_node() -> None:
    waits = planned(seen(job(), pod(0), waiting(1, "Unschedulable", node=None)), 0, placement=None, placementTimeoutSeconds=86400)
    placed = plan(training(waits.status), ALL_RUN, later(50_000))
    assert placed.requeue_after == LIMIT + 1
    assert not plan(training(placed.status), ALL_RUN, later(50_000 + LIMIT - 1)).actions
    assert plan(training(placed.status), ALL_RUN, later(50_000 + LIMIT)).status.reason == "StartupTimeout"


def test_neither_a_queue_nor_the_search_for_nodes_is_start_up() -> None:
    for observed in (
        seen(job(queue="team", suspended=True)),
        seen(job(), waiting(0, "Unschedulable", node=None), waiting(1, "Unschedulable", node=None)),
    ):
        assert planned(observed, 30 * 86400, placement=None).actions == ()


def test_the_first_step_ends_start_up_and_a_resumed_step_does_not() -> None:
    stepped = seen(job(), pod(0), pod(1), reports={(1, 1): report(step=21, resumed_from=20)}, renewed="2026-01-02T12:00:00Z")
    decided = planned(stepped, 86400)
    assert decided.status.phase == Phase.RUNNING
    assert decided.status.stages[0].recent_attempts[0].placement is None
    resumed = seen(job(), pod(0), pod(1), reports={(1, 1): report(step=20, resumed_from=20)}, renewed="2026-01-02T12:00:00Z")
    assert planned(resumed, 86400).status.reason == "StartupTimeout"


def test_an_attempt_with_nothing_left_to_train_is_not_late() -> None:
    done = seen(
        job(), pod(0), pod(1), reports={(1, 1): report(phase=TrainerPhase.SAVING, step=60, resumed_from=60)}, renewed="2026-01-02T12:00:00Z"
    )
    assert planned(done, 86400).status.phase == Phase.RUNNING


def test_only_a_single_host_that_lags_behind_blames_its_node() -> None:
    for observed, blamed in (
        (seen(job(), pod(0), waiting(1, "FailedCreatePodSandBox")), ("node2",)),
        (seen(job(), waiting(0, "ImagePullBackOff"), waiting(1, "ImagePullBackOff")), ()),
        (ALL_RUN, ()),
    ):
        ending = planned(observed, LIMIT)
        ended = plan(training(ending.status), seen(job()), later(LIMIT + 5))
        assert tuple(fault.node for fault in ended.status.node_faults) == blamed
        assert ended.status.stages[0].budgets_used.infra == 1
        (created,) = (action for action in ended.actions if isinstance(action, CreateAttempt))
        assert created.attempt == 2


def test_a_clock_that_was_set_back_starts_the_timeout_again_and_ends_nothing() -> None:
    ahead = Placement(complete_since="2026-01-01T14:00:00Z")
    decided = planned(ALL_RUN, 0, placement=ahead)
    assert decided.actions == ()
    assert decided.status.stages[0].recent_attempts[0].placement == PLACED


def test_a_gang_of_many_hosts_names_a_few_of_them() -> None:
    accelerator = {"type": "cpu", "cpu": {"hosts": 8, "devicesPerHost": 1}}
    current = training(status(running(state=AttemptState.STARTING, placement=PLACED)), accelerator=accelerator)
    decided = plan(current, seen(job(), *(waiting(index, "Pulling", 900 * "x") for index in range(8))), later(LIMIT))
    assert decided.status.message.endswith("and 5 more hosts")


def test_the_default_is_longer_than_what_the_trainer_allows_itself() -> None:
    before_the_first_step = (
        TrainerPhase.RENDEZVOUS,
        TrainerPhase.LOADING_DATA,
        TrainerPhase.RESTORING,
        TrainerPhase.COMPILING,
        TrainerPhase.TRAINING,
    )
    assert sum(DEADLINES[phase] for phase in before_the_first_step) < LIMIT


def test_a_node_fault_of_a_slow_start_has_its_time() -> None:
    ending = planned(seen(job(), pod(0), waiting(1, "FailedCreatePodSandBox")), LIMIT)
    ended = plan(training(ending.status), seen(job()), later(LIMIT + 5))
    assert ended.status.node_faults == (NodeFault(node="node2", at="2026-01-01T15:00:05Z"),)
