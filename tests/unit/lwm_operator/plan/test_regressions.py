"""Bugs that random histories have found, each as its shortest list of moves."""

from lwm_operator.plan.actions import CreateAttempt, DeletePod
from simulation.builders import stage, training
from simulation.histories import replay
from simulation.simulation import Simulation
from simulation.state import BAD_IMAGE


def test_a_job_that_was_deleted_between_two_passes_is_not_created_again_under_its_name() -> None:
    """Its pods may be zombies that write into the attempt's folder."""
    simulation = Simulation(training())
    simulation.reconcile()
    simulation.start()
    simulation.train(10, commit=True)
    simulation.environment.delete_job()
    decided = simulation.reconcile()
    assert decided.status.reason == "JobDeleted"
    simulation.terminate_deleted()
    decided = simulation.reconcile()
    assert [action.attempt for action in decided.actions if isinstance(action, CreateAttempt)] == [2]


def test_a_partly_placed_gang_is_checked_again_even_when_the_operators_clock_is_behind() -> None:
    simulation = Simulation(training(stages=[stage()]))
    simulation.environment.set_clock(-7200)
    simulation.reconcile()
    simulation.state.capacity = 1
    simulation.environment.schedule()
    decided = simulation.reconcile()
    assert decided.status.reason == "Unschedulable"
    assert decided.requeue_after == 901.0, "nobody else would wake it to give the node back"


def test_histories_that_once_violated_an_invariant() -> None:
    replay(2, [("reconcile",), ("start",), ("train", 5, True), ("delete job",), ("reconcile",), ("settle",), ("check rest",)])
    replay(0, [("set clock", -7200.0), ("reconcile",), ("capacity", 1), ("schedule",), ("reconcile",), ("check rest",)])


def test_pods_created_from_an_edit_that_was_reverted_are_created_again() -> None:
    """The intent was written before the edit, the Job made after it."""
    simulation = Simulation(training(image="trainer:good"))
    simulation.reconcile(crash_before_actions=True)
    simulation.edit(image=BAD_IMAGE)
    simulation.reconcile()
    simulation.start()
    assert simulation.reconcile().status.reason == "ImagePull"
    simulation.edit(image="trainer:good")
    assert simulation.reconcile().status.reason == "Superseded"


def test_a_clock_that_was_set_back_makes_no_wait_longer() -> None:
    simulation = Simulation(training(failurePolicy={"budgets": {"app": 3}}))
    simulation.reconcile()
    simulation.start()
    simulation.fail(0, 70)
    assert simulation.reconcile().requeue_after == 1.5, "its peer may leave by itself"
    simulation.environment.set_clock(-7200)
    decided = simulation.reconcile()
    assert [type(action) for action in decided.actions] == [DeletePod]
    simulation.environment.set_clock(7200)
    simulation.terminate_deleted()
    assert simulation.reconcile().status.reason == "BackingOff"
    simulation.environment.set_clock(-7200)
    assert [type(action) for action in simulation.reconcile().actions] == [CreateAttempt]


def test_when_status_and_the_newest_job_are_both_lost_the_lease_still_gives_the_newest_number() -> None:
    simulation = Simulation(training())
    for _ in range(2):
        simulation.reconcile()
        simulation.start()
        simulation.train(10, commit=True)
        simulation.reconcile()
        simulation.environment.delete_pod(0)
        simulation.reconcile()
        simulation.terminate_deleted()
    assert [action.attempt for action in simulation.created] == [1, 2]
    simulation.state.lose_status()
    simulation.environment.delete_job()
    simulation.reconcile()
    assert [action.attempt for action in simulation.created] == [1, 2, 3], "Job 1 is still there, and of 2 the Lease"


def test_pods_that_a_job_makes_after_its_attempt_was_suspended_do_not_stay() -> None:
    """Found on a real API server: the operator looked before the Job's controller had made any pod."""
    simulation = Simulation(training())
    simulation.reconcile()
    late, simulation.state.pods = simulation.pods, {}
    names = sorted(late)
    simulation.edit(suspend=True)
    simulation.reconcile()
    assert simulation.training.status.reason == "Suspended"
    simulation.state.pods = late
    decided = simulation.reconcile()
    assert sorted(action.name for action in decided.actions if isinstance(action, DeletePod)) == names


def test_a_released_slice_of_an_ended_attempt_stays_although_another_one_was_never_released() -> None:
    replay(3, [("releases", 1), ("reconcile",), ("suspend", True), ("reconcile",), ("settle",), ("check rest",)])
