from benchmarks.operator.planning import HOSTS, RESTARTS, world
from lwm_operator.plan.observed import PodState


def test_the_plan_is_measured_over_a_gang_that_trains_with_failed_attempts_beside_it() -> None:
    here = world()
    states = [pod.state for pod in here.pods.values() if (pod.stage, pod.attempt) == (2, RESTARTS + 1)]
    assert states == [PodState.RUNNING] * HOSTS
    assert {(job.stage, job.attempt) for job in here.jobs.values()} >= {(2, 1), (2, 2), (2, 3)}
    assert (2, 3) in here.reports
