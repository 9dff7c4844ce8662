from benchmarks.operator.planning import HOSTS, RESTARTS, third_attempt_of_the_second_stage
from lwm_operator.plan.observed import PodState


def test_the_plan_is_measured_over_a_gang_that_trains_with_failed_attempts_beside_it() -> None:
    snapshot = third_attempt_of_the_second_stage()
    observed = snapshot.observed
    states = [pod.state for pod in observed.pods if (pod.stage, pod.attempt) == (2, RESTARTS + 1)]
    assert states == [PodState.RUNNING] * HOSTS
    assert {(job.stage, job.attempt) for job in observed.jobs} >= {(2, 1), (2, 2), (2, 3)}
    assert (2, 3) in observed.reports
    status = snapshot.plan().status
    assert status.summary.hosts == f"{HOSTS}/{HOSTS}"
    assert [attempt.number for attempt in status.stages[1].recent_attempts] == [3, 2, 1]
