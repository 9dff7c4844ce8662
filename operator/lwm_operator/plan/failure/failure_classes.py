"""Which class a failure is of: by exit code, and by what Kubernetes says of a pod that it ended itself."""

from lwm_operator.api.status import FailureClass
from lwm_trainer.config import ExitCode

CLASSES: dict[int, FailureClass] = {
    ExitCode.BAD_ARGUMENTS: FailureClass.PERMANENT,
    ExitCode.BAD_DATA: FailureClass.PERMANENT,
    ExitCode.BAD_CHECKPOINT: FailureClass.PERMANENT,
    ExitCode.BAD_CONFIG: FailureClass.PERMANENT,
    ExitCode.UNCAUGHT: FailureClass.APP,
    ExitCode.TRANSIENT: FailureClass.INFRA,
    ExitCode.HANG: FailureClass.HANG,
    ExitCode.STORAGE_DENIED: FailureClass.INFRA,
    ExitCode.DIVERGED: FailureClass.DIVERGED,
    ExitCode.SAVED_ON_REQUEST: FailureClass.DISRUPTION,
    ExitCode.GATE_FAILED: FailureClass.GATE,
    137: FailureClass.INFRA,
    139: FailureClass.INFRA,
}
"""By exit code; any other is the program's own fault. Secondary codes are not here: they are nobody's cause."""

EVIDENCE: dict[str, FailureClass] = {
    "Evicted": FailureClass.DISRUPTION,
    "Preempted": FailureClass.DISRUPTION,
    "Preempting": FailureClass.DISRUPTION,
    "NodeShutdown": FailureClass.DISRUPTION,
    "Shutdown": FailureClass.DISRUPTION,
    "TaintedNode": FailureClass.DISRUPTION,
    "Terminated": FailureClass.DISRUPTION,
    "NodeAffinity": FailureClass.INFRA,
    "NodeGone": FailureClass.INFRA,
    "NodeLost": FailureClass.INFRA,
    "OutOfcpu": FailureClass.INFRA,
    "OutOfmemory": FailureClass.INFRA,
    "OutOfpods": FailureClass.INFRA,
    "UnexpectedAdmissionError": FailureClass.INFRA,
}
"""By what Kubernetes says of a pod that it ended itself (status.reason, or the reason of DisruptionTarget)."""
