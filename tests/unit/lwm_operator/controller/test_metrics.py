from prometheus_client import REGISTRY

from lwm_operator.api.stage_status import Failures
from lwm_operator.api.status import Phase
from lwm_operator.controller import metrics
from simulation.builders import failed, status, training


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"namespace": "default", "name": "bible", **labels})


def test_a_training_is_shown_by_its_status_and_forgotten_when_it_is_gone() -> None:
    now = status(failed(3), step=40, failures=Failures(infra=2, app=1)).model_copy(update={"phase": Phase.RECOVERING})
    metrics.update(training(now))
    assert (value("lwm_training_stage"), value("lwm_training_stage_step")) == (1, 40)
    assert value("lwm_training_phase", phase="Recovering") == 1
    assert value("lwm_training_phase", phase="Running") == 0
    assert value("lwm_training_failed_attempts", failure_class="Infra") == 2
    assert value("lwm_training_failed_attempts", failure_class="Disruption") == 0
    metrics.remove("default", "bible")
    assert value("lwm_training_phase", phase="Recovering") is None
    assert value("lwm_training_failed_attempts", failure_class="Infra") is None
