"""Exit codes of the trainer, and the reasons that are narrower than an exit code."""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of the trainer. 0 means that the final checkpoint of the stage is saved."""

    COMPLETE = 0
    BAD_ARGUMENTS = 64
    """Invalid command line or environment. Permanent."""
    BAD_DATA = 65
    """Missing or corrupt data or tokenizer. Permanent."""
    BAD_CHECKPOINT = 66
    """The checkpoint to start from does not match the config. Permanent."""
    UNCAUGHT_EXCEPTION = 70
    """An unexpected exception."""
    TRANSIENT = 75
    """A failure of storage, network or rendezvous. A retry may succeed."""
    HANG = 76
    """The trainer's watchdog saw no step within the deadline."""
    STORAGE_DENIED = 77
    """The object store refused the credentials."""
    BAD_CONFIG = 78
    """Invalid run config. Permanent."""
    PEER_LOST = 79
    """Another process of the gang died. Never the root cause."""
    DIVERGED = 80
    """The loss or gradient is not finite."""
    SAVED_ON_REQUEST = 81
    """SIGTERM: a checkpoint was saved before the exit. Not 0, which would mean a completed stage."""
    GATE_FAILED = 82
    """The stage's evaluation gate was not met."""
    DEVICE_FAULT = 83
    """A device of this host failed: its memory, its link, its driver, or it was reset."""


class ErrorReason(StrEnum):
    """Reasons in the termination message that are narrower than the exit code. docs/reasons.md explains each."""

    BAD_DATA = "BadData"
    DATA_MISSING = "DataMissing"
    DATA_CORRUPT = "DataCorrupt"
    DATA_CHANGED = "DataChanged"
    BUCKET_MISSING = "BucketMissing"
    BUCKET_DENIED = "BucketDenied"
    CLAIM_MISSING = "ClaimMissing"
    CLAIM_DENIED = "ClaimDenied"
    STORAGE_FULL = "StorageFull"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    PLATFORM_MISSING = "PlatformMissing"
    DEVICES_MISSING = "DevicesMissing"
    CONTRACT_MISMATCH = "ContractMismatch"


FATAL_EXIT_CODES = frozenset({64, 65, 66, 77, 78})
"""Exit codes of a preparation worker that end the whole Job, because a retry would fail the same way."""

SECONDARY_EXIT_CODES = frozenset({int(ExitCode.PEER_LOST), 134, 143})
"""Exit codes of processes that ended because of another one: peer lost, JAX's abort when the gang breaks (134), deletion (143)."""
