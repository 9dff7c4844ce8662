"""What the trainer leaves with."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the trainer leaves with. 0 only when the stage's final checkpoint is committed."""

    COMPLETE = 0
    BAD_ARGUMENTS = 64
    """The command line or the environment is wrong. Permanent."""
    BAD_DATA = 65
    """Data or tokenizer is missing or corrupt. Permanent."""
    BAD_CHECKPOINT = 66
    """The checkpoint to start from does not fit the config. Permanent."""
    UNCAUGHT = 70
    """An exception nobody expected."""
    TRANSIENT = 75
    """Storage, network or rendezvous: worth another try."""
    HANG = 76
    """The trainer's own watchdog saw no step within its deadline."""
    STORAGE_DENIED = 77
    """The object store refused the credentials."""
    BAD_CONFIG = 78
    """The run config makes no sense. Permanent."""
    PEER_LOST = 79
    """Another process of the gang died: a victim, never the root cause."""
    DIVERGED = 80
    """Loss or gradient is not finite."""
    SAVED_ON_REQUEST = 81
    """SIGTERM: saved, then left. Never 0, which would count as completed."""
    GATE_FAILED = 82
    """The stage's evaluation gate was not met."""


FATAL_EXIT_CODES = frozenset({64, 65, 66, 77, 78})
"""With which a worker of a preparation ends all of it: another one would end the same way."""

SECONDARY_EXIT_CODES = frozenset({int(ExitCode.PEER_LOST), 134, 143})
"""Left by victims: peer lost, JAX's own abort when the gang breaks (134), our own delete (143)."""
