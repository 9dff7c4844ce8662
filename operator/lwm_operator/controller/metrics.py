"""The operator's Prometheus metrics. The number of labels is bounded by the trainings that exist."""

from prometheus_client import Counter, Gauge, Histogram

from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training

RECONCILE = Histogram("lwm_operator_reconcile_seconds", "Seconds of one reconcile.", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10))
FAILURES = Counter("lwm_operator_reconcile_failures_total", "Reconciles that ended in an error.")
STATUS_WRITES = Counter("lwm_operator_status_writes_total", "Status writes.")
QUEUE = Gauge("lwm_operator_queue_depth", "Trainings that wait to be reconciled.")
LEADER = Gauge("lwm_operator_is_leader", "1 while this process works.")
NAMESPACE_SERVED = Gauge(
    "lwm_operator_namespace_served", "1 while the trainings of this watched namespace can be listed, else 0.", ["namespace"]
)

PHASE = Gauge("lwm_training_phase", "1 for the phase that the training is in.", ["namespace", "name", "phase"])
STEP = Gauge("lwm_training_stage_step", "Step of the current stage.", ["namespace", "name"])
STAGE = Gauge("lwm_training_stage", "Number of the current stage.", ["namespace", "name"])
RESTARTS = Gauge("lwm_training_restarts", "Attempts beyond the first of each stage.", ["namespace", "name"])
FAILED_ATTEMPTS = Gauge(
    "lwm_training_failed_attempts", "Attempts that ended in a failure, by class.", ["namespace", "name", "failure_class"]
)


def update(training: Training) -> None:
    """Set the training's gauges from its status."""
    labels = (training.metadata.namespace, training.metadata.name)
    status = training.status
    for phase in Phase:
        PHASE.labels(*labels, phase.value).set(1 if status.phase == phase else 0)
    current = status.current_stage or 0
    STAGE.labels(*labels).set(current)
    STEP.labels(*labels).set(status.stages[current - 1].step if 0 < current <= len(status.stages) else 0)
    RESTARTS.labels(*labels).set(status.summary.restarts)
    for failure_class in FailureClass:
        failed = sum(getattr(stage.failures, failure_class.value.lower()) for stage in status.stages)
        FAILED_ATTEMPTS.labels(*labels, failure_class.value).set(failed)


def remove(namespace: str, name: str) -> None:
    """Remove the gauges of a training that is gone."""
    for phase in Phase:
        _remove(PHASE, namespace, name, phase.value)
    for failure_class in FailureClass:
        _remove(FAILED_ATTEMPTS, namespace, name, failure_class.value)
    for gauge in (STEP, STAGE, RESTARTS):
        _remove(gauge, namespace, name)


def _remove(gauge: Gauge, *labels: str) -> None:
    try:
        gauge.remove(*labels)
    except KeyError:
        return
