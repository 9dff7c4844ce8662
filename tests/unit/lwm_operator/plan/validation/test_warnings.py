from typing import Any

import pytest

from lwm_operator.api.status import Status
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_operator.plan.validation.warnings import warnings
from simulation.builders import NOW, spec, stage, training

LOW = stage("long", contextLength=4096, batchTokens=16384, ropeTheta=10000)
SCALING = {"type": "llama3"}


def model(**changes: Any) -> dict[str, Any]:
    return {**spec()["model"], **changes}


def gpu(**fields: Any) -> dict[str, Any]:
    """Two stages on GPU hosts."""
    stages = [stage(name, mesh={"fsdp": 2}, batchTokens=1024) for name in ("a", "b")]
    return {"accelerator": {"type": "gpu", "gpu": {"hosts": 2, "perHost": 1, **fields}}, "stages": stages}


def test_a_theta_above_the_bound_is_not_mentioned() -> None:
    assert warnings(training(stages=[stage(ropeTheta=1100)]).spec) == ()


def test_a_theta_below_the_bound_is_reported_with_both_numbers_the_field_and_the_fix() -> None:
    [warning] = warnings(training(stages=[stage(), LOW]).spec)
    for words in (
        "spec.stages[long].ropeTheta: 1e+04",
        "below 3.22e+04",
        "4096 tokens",
        "fitted to heads of 128; these have 64",
        "raise it",
    ):
        assert words in warning


def test_heads_of_the_fitted_size_need_no_caveat() -> None:
    [warning] = warnings(training(stages=[LOW], model=model(headDim=128)).spec)
    assert "fitted to heads of 128)" in warning


def test_a_model_with_rope_scaling_is_exempt() -> None:
    assert warnings(training(stages=[LOW], model=model(ropeScaling=SCALING)).spec) == ()


@pytest.mark.parametrize(
    ("changes", "beginnings"),
    [
        (
            {"podTemplate": {"env": [{"name": "HOME", "value": "/root"}, {"name": "A", "value": "1"}]}},
            ["spec.podTemplate.env[HOME]: "],
        ),
        (
            {"podTemplate": {"env": [{"name": "PJRT_NPROC", "value": "8"}]}},
            ["spec.podTemplate.env[PJRT_NPROC]: the operator sets it"],
        ),
        (
            {"podTemplate": {"env": [{"name": "NCCL_DEBUG", "value": "INFO"}]}, **gpu(nccl={"NCCL_DEBUG": "WARN"})},
            ["spec.podTemplate.env[NCCL_DEBUG]: the operator"],
        ),
        ({"podTemplate": {"env": [{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "PJRT_NPROC", "value": "8"}]}, **gpu()}, []),
        (
            {"podTemplate": {"nodeSelector": {"cloud.google.com/gke-accelerator": "a", "disktype": "ssd"}}, **gpu(profile="gke-a3-high")},
            ["spec.podTemplate.nodeSelector[cloud.google.com/gke-accelerator]: spec.accelerator sets it to nvidia-h100-80gb, which"],
        ),
        ({"podTemplate": {"nodeSelector": {"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}}, **gpu(profile="gke-a3-high")}, []),
    ],
)
def test_a_setting_in_whose_place_the_operators_is_used_is_reported_once(changes: dict[str, Any], beginnings: list[str]) -> None:
    reported = [warning for warning in warnings(training(**changes).spec) if "podTemplate" in warning]
    assert len(reported) == len(beginnings)
    assert all(warning.startswith(beginning) for warning, beginning in zip(reported, beginnings, strict=True))


def test_a_spec_with_a_warning_is_run_and_keeps_its_own_message() -> None:
    decided = plan(training(stages=[LOW]), Observed(), NOW)
    assert len(decided.actions) == 1
    assert "ropeTheta" not in decided.status.message
    accepted = next(condition for condition in decided.status.conditions if condition.type == "Accepted")
    assert (accepted.status, accepted.message.startswith("warning: spec.stages[long].ropeTheta")) == ("True", True)


@pytest.mark.parametrize(("seen", "events"), [(0, 1), (1, 1), (2, 0)])
def test_one_warning_event_for_each_generation(seen: int, events: int) -> None:
    decided = plan(training(Status(observed_generation=seen), generation=2, stages=[LOW]), Observed(), NOW)
    events_found = [(event.type, event.key) for event in decided.events if event.reason == "SpecWarning"]
    assert events_found == [("Warning", "SpecWarning/2")] * events
