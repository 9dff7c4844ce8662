from typing import Any

import pytest

from lwm_operator.api.execution import Execution
from lwm_operator.api.pod_template import PodTemplate
from lwm_operator.plan.attempt.template_change import superseded_cause, template_hash
from lwm_operator.plan.observed import PodState, Waiting
from simulation.builders import job, pod, training

STUCK = pod(0, state=PodState.PENDING, waiting=Waiting(reason="ImagePullBackOff", message="no such image", since="2026-01-01T12:00:00Z"))


def test_pods_that_wait_for_an_image_that_was_edited_are_created_again() -> None:
    before, after = training(image="wrong:1").spec, training(image="right:1").spec
    assert superseded_cause(job(template=template_hash(before)), before, (STUCK,)) is None
    cause = superseded_cause(job(template=template_hash(before)), after, (STUCK,))
    assert cause is not None
    assert cause.reason == "Superseded"


def test_no_edit_touches_what_has_run() -> None:
    before, after = training(image="a:1").spec, training(image="b:1").spec
    assert superseded_cause(job(template=template_hash(before)), after, (STUCK, pod(1))) is None
    assert superseded_cause(job(template=template_hash(before)), after, (pod(0, state=PodState.PENDING),)) is None, (
        "it does not wait for anything"
    )
    assert superseded_cause(job(), after, (STUCK,)) is None, "what it was made from is not known"


def test_only_what_the_pods_carry_counts() -> None:
    assert template_hash(training().spec) == template_hash(training(suspend=True, resume=3).spec)
    assert template_hash(training().spec) != template_hash(training(podTemplate={"nodeSelector": {"a": "b"}}).spec)
    timers = {"placementTimeoutSeconds": 60, "startupTimeoutSeconds": 600}
    assert template_hash(training().spec) == template_hash(training(execution=timers).spec), "the operator follows them at once"
    for carried in ({"queueName": "q"}, {"priorityClassName": "p"}, {"schedulerName": "s"}, {"terminationGracePeriodSeconds": 7}):
        assert template_hash(training().spec) != template_hash(training(execution=carried).spec)


class NewerExecution(Execution):
    """The next release adds a field."""

    topology_key: str | None = None
    grace_factor: int = 2


class NewerPodTemplate(PodTemplate):
    host_aliases: tuple[str, ...] = ()


@pytest.mark.parametrize("is_written", [False, True], ids=["absent", "defaulted by the API server"])
@pytest.mark.parametrize("changes", [{}, {"execution": {"queueName": "q"}, "podTemplate": {"nodeSelector": {"a": "b"}}}])
def test_a_new_optional_field_with_a_default_supersedes_nothing(changes: dict[str, Any], is_written: bool) -> None:
    before = training(**changes).spec
    added = {"topology_key": None, "grace_factor": 2} if is_written else {}
    aliases = {"host_aliases": ()} if is_written else {}
    after = before.model_copy(
        update={
            "execution": NewerExecution(**before.execution.model_dump(), **added),
            "pod_template": NewerPodTemplate(**before.pod_template.model_dump(), **aliases),
        }
    )
    assert superseded_cause(job(template=template_hash(before)), after, (STUCK,)) is None
    used = after.model_copy(update={"execution": NewerExecution(**before.execution.model_dump(), grace_factor=3)})
    assert superseded_cause(job(template=template_hash(before)), used, (STUCK,)) is not None, "who sets the new field edits the pods"


def test_a_hash_of_an_older_operator_says_nothing_about_an_edit() -> None:
    assert superseded_cause(job(template="0123456789abcdef"), training(image="right:1").spec, (STUCK,)) is None
