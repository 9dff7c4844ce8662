"""What process 0 reports while it runs, and what every process reports when it ends."""

from enum import StrEnum

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.preparation import Prepared


class Phase(StrEnum):
    """What the trainer is doing; the operator shows it as the training's reason."""

    RENDEZVOUS = "Rendezvous"
    LOADING_DATA = "LoadingData"
    RESTORING = "Restoring"
    COMPILING = "Compiling"
    TRAINING = "Training"
    SAVING = "Saving"
    COMPLETE = "Complete"


class FinalReport(Contract):
    """The committed end of a stage."""

    checkpoint: str
    """The Orbax step folder that the next stage starts from."""
    step: int
    state_hash: str
    """Of parameters and optimizer, equal on any mesh: see `lwm_trainer.step.fingerprint`."""
    record_hash: str
    """SHA-256 of the record: the bits of loss and gradient norm and the tokens' hash of every step."""
    loss: float | None = None
    """Of the last step, in nats a token."""


class Progress(Contract):
    """What process 0 reports: at most 2 KiB of JSON on its Lease."""

    attempt: int
    phase: Phase
    phase_deadline_seconds: int
    """How long this phase may go without a new step before it counts as a hang."""
    idle_seconds: int = 0
    """How long it has gone already, by the trainer's own clock at the moment of this report."""
    step: int = 0
    steps: int
    loss: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    step_seconds: float | None = None
    tokens_seen: int = 0
    resumed_from: int = 0
    """The step at which this attempt began."""
    committed_step: int = 0
    final: FinalReport | None = None


class TerminationMessage(Contract):
    """The termination message of any process, at most 4 KiB of JSON."""

    code: int
    reason: str
    """Of the code, or a narrower one in CamelCase, such as BucketMissing: the operator shows it as the cause."""
    message: str = ""
    step: int = 0
    final: FinalReport | None = None
    prepared: Prepared | None = None
    """Of worker 0 of a preparation that is done."""
