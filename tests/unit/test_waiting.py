from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.waiting import why
from world.builders import job, pod


def held(index: int, reason: str, message: str) -> PodView:
    return pod(index, state=PodState.PENDING, waiting=Waiting(reason=reason, message=message, since="2026-01-01T12:00:00Z"))


def test_the_schedulers_own_sentence_is_shown() -> None:
    pods = (held(0, "Unschedulable", "0/2 nodes are available: 2 Insufficient memory."), held(1, "ContainerCreating", "x"))
    assert why(job(), pods, 2) == (
        "Unschedulable",
        "1 of 2 pods since 2026-01-01T12:00:00Z: 0/2 nodes are available: 2 Insufficient memory.",
    )


def test_an_image_that_cannot_be_pulled_comes_first() -> None:
    pods = (held(0, "Unschedulable", "no"), held(1, "ImagePullBackOff", 'Back-off pulling image "lwm-trainer:nope"'))
    reason, message = why(job(), pods, 2) or ("", "")
    assert reason == "ImagePull"
    assert "lwm-trainer:nope" in message


def test_a_missing_secret_is_a_config_error() -> None:
    assert (why(job(), (held(0, "CreateContainerConfigError", 'secret "x" not found'),), 1) or ("", ""))[0] == "ConfigError"


def test_pods_that_were_never_made_are_counted() -> None:
    assert why(job(), (pod(0),), 2) == ("PodsMissing", "1 of 2 pods exist")


def test_pods_that_start_are_starting_and_those_that_run_wait_for_nothing() -> None:
    assert (why(job(), (pod(0), pod(1, state=PodState.PENDING)), 2) or ("", ""))[0] == "ContainerCreating"
    assert why(job(), (pod(0), pod(1)), 2) is None
