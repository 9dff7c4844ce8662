"""Reports of process 0 while it runs, and of every process when it ends."""

from enum import StrEnum

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.data_identity import AcceptedChange
from lwm_trainer.config.gate import SuiteScore
from lwm_trainer.config.preparation import Prepared


class Phase(StrEnum):
    """Phase of the trainer. The operator shows it as the training's reason."""

    RENDEZVOUS = "Rendezvous"
    LOADING_DATA = "LoadingData"
    RESTORING = "Restoring"
    COMPILING = "Compiling"
    TRAINING = "Training"
    VALIDATING = "Validating"
    EVALUATING = "Evaluating"
    SAVING = "Saving"
    COMPLETE = "Complete"

    @classmethod
    def _missing_(cls, value: object) -> "Phase":  # noqa: ARG003 - the signature of Enum
        """A phase that a newer trainer reports reads as training: each report brings its own deadline."""
        return cls.TRAINING


class TimeSpent(Contract):
    """Whole seconds of process 0 since it began, by what it did."""

    rendezvous: int = 0
    """Until all hosts were there."""
    compiling: int = 0
    """Until the step was compiled."""
    loading_data: int = 0
    """Until the data was there, beyond the compilation, beside which it is loaded."""
    restoring: int = 0
    """Until all hosts had restored the state."""
    training: int = 0
    """In steps, without the waits for their batches."""
    data_wait: int = 0
    """In which devices waited for the batch of a step."""
    validating: int = 0
    """In validations on held-out data."""
    saving: int = 0
    """In which training waited for a save."""
    evaluating: int = 0
    """In the suites of the gate."""


class FinalReport(Contract):
    """Report of a completed stage."""

    checkpoint: str
    """Orbax step folder from which the next stage starts."""
    step: int
    state_hash: str
    """Hash of parameters and optimizer state, independent of the mesh: see `lwm_trainer.step.fingerprint`."""
    record_hash: str
    """SHA-256 over the loss, the gradient norm and the tokens' hash of every step."""
    loss: float | None = None
    """Loss of the last step in nats per token."""
    validation_loss: float | None = None
    """Mean loss of all targets of the validation after the last step; None without one."""
    suites: tuple[SuiteScore, ...] = ()
    """What the suites of the gate came to; empty without them, and where the gate is waived."""


class Progress(Contract):
    """Report of process 0 on its Lease, at most 2 KiB of JSON."""

    attempt: int
    phase: Phase
    phase_deadline_seconds: int
    """Seconds without a new step after which this phase counts as a hang."""
    idle_seconds: int = 0
    """Seconds since the last step, by the trainer's clock at the time of the report."""
    step: int = 0
    steps: int
    loss: float | None = None
    validation_loss: float | None = None
    """Mean loss of all targets of the newest validation."""
    suites: tuple[SuiteScore, ...] = ()
    """What the suites of the gate came to so far."""
    profile: str | None = None
    """Folder of the newest trace that this attempt has written."""
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    step_seconds: float | None = None
    time_spent: TimeSpent | None = None
    tokens_seen: int = 0
    resumed_from: int = 0
    """Step from which the attempt resumed."""
    damaged_checkpoint: str | None = None
    """The newest checkpoint, where it is damaged and was passed over: its folder and the first damaged file."""
    committed_step: int = 0
    accepted_changes: tuple[AcceptedChange, ...] = ()
    """Changes of data sets that this attempt accepted when it resumed."""
    final: FinalReport | None = None


class TerminationMessage(Contract):
    """Termination message of a process, at most 4 KiB of JSON."""

    code: int
    reason: str
    """Reason in CamelCase: that of the exit code, or a more specific one such as BucketMissing. The operator shows it as the root cause."""
    message: str = ""
    step: int = 0
    final: FinalReport | None = None
    prepared: Prepared | None = None
    """Result of a completed preparation, from worker 0."""
