from typing import Any

import pytest

from lwm_operator.plan.cause import better, permanent, root_cause
from lwm_operator.plan.observed import PodState, PodView
from lwm_trainer.config import LastWords
from world.builders import job, pod


def failed(index: int, code: int | None, reason: str = "Error", **changes: Any) -> PodView:
    return pod(index, state=PodState.FAILED, exit_code=code, reason=reason, **changes)


@pytest.mark.parametrize(
    ("pods", "index", "reason"),
    [
        ((failed(0, 79), failed(1, 137)), 1, "Killed"),
        ((failed(0, 134), failed(1, 70)), 1, "Uncaught"),
        ((failed(0, 137), failed(1, 65)), 1, "BadData"),
        ((failed(0, 65), failed(1, 137, "OOMKilled")), 1, "OOMKilled"),
        ((failed(0, 79), failed(1, 79)), 0, "HostLost"),
        ((failed(0, 143), failed(1, None, "Evicted")), 1, "Evicted"),
        ((failed(0, 81), failed(1, 139)), 1, "SegmentationFault"),
        ((failed(0, 79), failed(1, 81)), 1, "SavedOnRequest"),
        ((failed(0, 79), pod(1, deleting=True)), 1, "PodDeleted"),
        ((failed(0, 3), pod(1)), 0, "ExitCode3"),
    ],
)
def test_a_reason_of_its_own_comes_before_a_victim(pods: tuple[PodView, ...], index: int, reason: str) -> None:
    for order in (pods, pods[::-1]):
        cause = root_cause(order, job())
        assert (cause.reason, cause.pod, cause.node) == (reason, f"bible-s1-a1-{index}", f"node{index + 1}")


def test_last_words_speak_for_themselves() -> None:
    words = LastWords(code=65, reason="BadData", message="tokenizer.json: not there: upload it")
    cause = root_cause((failed(1, 65, words=words),), job())
    assert cause.message == "host 1 (bible-s1-a1-1 on node node2): tokenizer.json: not there: upload it"
    assert permanent(cause)


def test_without_pods_the_job_speaks() -> None:
    assert root_cause((), None).reason == "JobDeleted"
    assert root_cause((), job(failed=True, message="Pod failed")).message == "Pod failed"
    assert root_cause((), job()).reason == "CompletedWithoutCheckpoint"


def test_only_permanent_codes_are_permanent() -> None:
    assert [code for code in range(256) if permanent(root_cause((failed(0, code),), job()))] == [64, 65, 66, 78]
    assert not permanent(None)


def test_survivors_that_the_jobs_controller_deletes_are_victims() -> None:
    pods = (failed(1, 79), pod(0, deleting=True))
    assert root_cause(pods, job()).reason == "PodDeleted"
    assert (root_cause(pods, job(failed=True)).reason, root_cause(pods, job(failed=True)).pod) == ("HostLost", "bible-s1-a1-1")


def test_a_later_look_at_victims_alone_does_not_forget_the_guilty_one() -> None:
    deleted, victims = root_cause((pod(0, deleting=True),), job()), root_cause((failed(0, 143), failed(1, 79)), job(failed=True))
    uncaught = root_cause((failed(1, 70),), job())
    assert better(deleted, victims) == deleted
    assert better(victims, uncaught) == uncaught
    assert better(None, victims) == victims
