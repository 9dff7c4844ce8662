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
