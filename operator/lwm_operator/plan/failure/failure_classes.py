"""The failure classes: what follows a failure of each class, and which class an exit code or a Kubernetes reason belongs to.

A new class needs its member in `api.status.FailureClass`, its counter in `api.status.Failures`, one rule here, and a row in
docs/guides/failures.md. ARCHITECTURE.md lists all files that know the classes.
"""

from dataclasses import dataclass

from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.api.stage_status import StageState
from lwm_operator.plan.reasons import KubernetesReason, PendingReason, Reason, RunningReason, TrainerReason
from lwm_trainer.config import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """What follows a failure of one class."""

    meaning: str
    """For messages and readers."""
    budget: str | None = None
    """Field of `status.stages[].budgetsUsed` that is charged; None: the stage stops at once."""
    stops: StageState | None = None
    """The state in which the stage stops at once; None: the budget decides."""
    immediate_retries: int = 0
    """Failures in a row that are retried without a delay."""


RULES: dict[FailureClass, FailureRule] = {
    FailureClass.PERMANENT: FailureRule(meaning="another attempt would end the same way", stops=StageState.FAILED),
    FailureClass.APP: FailureRule(meaning="the program or its memory limit is at fault", budget="app"),
    FailureClass.INFRA: FailureRule(
        meaning="a host, its node, the network or the storage failed",
        budget="infra",
        # The next attempt usually gets other nodes.
        immediate_retries=1,
    ),
    FailureClass.HANG: FailureRule(meaning="no step within the deadline", budget="hang"),
    FailureClass.DIVERGED: FailureRule(meaning="the loss or the gradient norm is not finite", budget="rollbacks"),
    FailureClass.GATE: FailureRule(meaning="the stage's gate was not met", stops=StageState.PAUSED),
    FailureClass.DISRUPTION: FailureRule(meaning="preempted, evicted, drained or deleted", budget="disruption", immediate_retries=3),
}

SIGKILL_CODE = 137
SEGMENTATION_FAULT_CODE = 139

EXIT_CODES: dict[int, tuple[FailureClass, Reason]] = {
    ExitCode.COMPLETE: (FailureClass.APP, RunningReason.COMPLETE),
    ExitCode.BAD_ARGUMENTS: (FailureClass.PERMANENT, TrainerReason.BAD_ARGUMENTS),
    ExitCode.BAD_DATA: (FailureClass.PERMANENT, TrainerReason.BAD_DATA),
    ExitCode.BAD_CHECKPOINT: (FailureClass.PERMANENT, TrainerReason.BAD_CHECKPOINT),
    ExitCode.BAD_CONFIG: (FailureClass.PERMANENT, TrainerReason.BAD_CONFIG),
    ExitCode.UNCAUGHT_EXCEPTION: (FailureClass.APP, TrainerReason.UNCAUGHT_EXCEPTION),
    ExitCode.TRANSIENT: (FailureClass.INFRA, TrainerReason.TRANSIENT),
    ExitCode.HANG: (FailureClass.HANG, TrainerReason.HANG),
    ExitCode.STORAGE_DENIED: (FailureClass.INFRA, TrainerReason.STORAGE_DENIED),
    ExitCode.DIVERGED: (FailureClass.DIVERGED, TrainerReason.DIVERGED),
    ExitCode.SAVED_ON_REQUEST: (FailureClass.DISRUPTION, TrainerReason.SAVED_ON_REQUEST),
    ExitCode.GATE_FAILED: (FailureClass.GATE, TrainerReason.GATE_FAILED),
    ExitCode.DEVICE_FAULT: (FailureClass.INFRA, TrainerReason.DEVICE_FAULT),
    SIGKILL_CODE: (FailureClass.INFRA, KubernetesReason.KILLED),
    SEGMENTATION_FAULT_CODE: (FailureClass.INFRA, KubernetesReason.SEGMENTATION_FAULT),
}
"""Class and reason of each exit code. Any other code is the program's own fault (App). The codes of victims (a lost peer) are absent,
because a victim is never the root cause."""

POD_REASONS: dict[str, FailureClass] = {
    KubernetesReason.EVICTED: FailureClass.DISRUPTION,
    KubernetesReason.PREEMPTED: FailureClass.DISRUPTION,
    KubernetesReason.PREEMPTING: FailureClass.DISRUPTION,
    KubernetesReason.NODE_SHUTDOWN: FailureClass.DISRUPTION,
    KubernetesReason.SHUTDOWN: FailureClass.DISRUPTION,
    KubernetesReason.TAINTED_NODE: FailureClass.DISRUPTION,
    KubernetesReason.TERMINATED: FailureClass.DISRUPTION,
    KubernetesReason.NODE_GONE: FailureClass.DISRUPTION,
    KubernetesReason.NODE_RECLAIMED: FailureClass.DISRUPTION,
    KubernetesReason.EPHEMERAL_STORAGE_EXCEEDED: FailureClass.APP,
    KubernetesReason.DEADLINE_EXCEEDED: FailureClass.APP,
    KubernetesReason.CONTAINER_FAILED: FailureClass.APP,
    KubernetesReason.NODE_AFFINITY: FailureClass.INFRA,
    KubernetesReason.NODE_LOST: FailureClass.INFRA,
    PendingReason.NODE_NOT_READY: FailureClass.INFRA,
    KubernetesReason.NODE_REBOOTED: FailureClass.INFRA,
    KubernetesReason.START_ERROR: FailureClass.INFRA,
    KubernetesReason.CONTAINER_STATUS_UNKNOWN: FailureClass.INFRA,
    "OutOfcpu": FailureClass.INFRA,
    "OutOfephemeral-storage": FailureClass.INFRA,
    "OutOfmemory": FailureClass.INFRA,
    "OutOfpods": FailureClass.INFRA,
    KubernetesReason.UNEXPECTED_ADMISSION: FailureClass.INFRA,
}
"""Class of a pod that Kubernetes itself ended, by `PodView.reason`, and of what ran on a lost node, by the reason of its loss."""
