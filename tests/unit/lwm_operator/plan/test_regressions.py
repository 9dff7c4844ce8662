"""What random histories found, each as its shortest list of moves."""

from lwm_operator.plan.actions import CreateAttempt, DeletePod
from simulation.builders import stage, training
from simulation.histories import replay
from simulation.simulation import Simulation
from simulation.state import BAD_IMAGE


def test_a_job_that_was_deleted_before_anybody_looked_is_not_made_again_under_its_name() -> None:
    """Its pods may be zombies that write into the attempt's folder."""
    here = Simulation(training())
    here.reconcile()
    here.start()
    here.train(10, commit=True)
    here.environment.delete_job()
    decided = here.reconcile()
    assert decided.status.reason == "JobDeleted"
    here.terminate_deleted()
    decided = here.reconcile()
    assert [action.attempt for action in decided.actions if isinstance(action, CreateAttempt)] == [2]


def test_a_pod_without_a_node_is_looked_at_again_even_when_the_operators_clock_is_behind() -> None:
    here = Simulation(training(stages=[stage()]))
    here.environment.set_clock(-7200)
    here.reconcile()
    decided = here.reconcile()
    assert decided.status.reason == "Unschedulable"
    assert decided.requeue_after == 7261.0, "nobody else would wake it to give up nodes that it avoids"


def test_histories_that_broke_a_promise_once() -> None:
    replay(2, [("reconcile",), ("start",), ("train", 5, True), ("delete job",), ("reconcile",), ("settle",), ("check rest",)])
    replay(0, [("set clock", -7200.0), ("reconcile",), ("capacity", 1), ("schedule",), ("reconcile",), ("check rest",)])


def test_pods_made_from_an_edit_that_was_taken_back_are_made_anew() -> None:
    """The intent was written before the edit, the Job made after it."""
    here = Simulation(training(image="trainer:good"))
    here.reconcile(crash_before_actions=True)
    here.edit(image=BAD_IMAGE)
    here.reconcile()
    here.start()
    assert here.reconcile().status.reason == "ImagePull"
    here.edit(image="trainer:good")
    assert here.reconcile().status.reason == "Superseded"


def test_a_clock_that_was_set_back_makes_no_wait_longer() -> None:
    here = Simulation(training(failurePolicy={"budgets": {"app": 3}}))
    here.reconcile()
    here.start()
    here.fail(0, 70)
    assert here.reconcile().requeue_after == 1.5, "its peer may leave by itself"
    here.environment.set_clock(-7200)
    decided = here.reconcile()
    assert [type(action) for action in decided.actions] == [DeletePod]
    here.environment.set_clock(7200)
    here.terminate_deleted()
    assert here.reconcile().status.reason == "BackingOff"
    here.environment.set_clock(-7200)
    assert [type(action) for action in here.reconcile().actions] == [CreateAttempt]


def test_when_status_and_the_newest_job_are_both_lost_its_lease_still_tells_which_number_is_taken() -> None:
    here = Simulation(training())
    for _ in range(2):
        here.reconcile()
        here.start()
        here.train(10, commit=True)
        here.reconcile()
        here.environment.delete_pod(0)
        here.reconcile()
        here.terminate_deleted()
    assert [action.attempt for action in here.created] == [1, 2]
    here.state.lose_status()
    here.environment.delete_job()
    here.reconcile()
    assert [action.attempt for action in here.created] == [1, 2, 3], "Job 1 is still there, and of 2 the Lease"


def test_pods_that_a_job_makes_after_its_attempt_was_suspended_do_not_stay() -> None:
    """Found on a real API server: the operator looked before the Job's controller had made any pod."""
    here = Simulation(training())
    here.reconcile()
    late, here.state.pods = here.pods, {}
    names = sorted(late)
    here.edit(suspend=True)
    here.reconcile()
    assert here.training.status.reason == "Suspended"
    here.state.pods = late
    decided = here.reconcile()
    assert sorted(action.name for action in decided.actions if isinstance(action, DeletePod)) == names
