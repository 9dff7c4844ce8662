"""What an error of JAX's runtime says about the accelerator. JAX raises one exception type for everything, so only its text tells.

A process whose peer died gets such an error, too. A text that fits neither function is therefore taken for the loss of a peer.
"""

import re

_RELAYED = re.compile(r"coordination|/job:|another task|remote (?:process|error)", re.IGNORECASE)
"""JAX's coordination service and NCCL report to every process what happened to one of them."""

_DEVICE_FAULTS = (
    # CUDA: codes for which the chip, its links, the bus or the driver is at fault.
    r"CUDA_ERROR_(?:ECC_UNCORRECTABLE|NVLINK_UNCORRECTABLE|CONTAINED|HARDWARE_STACK_ERROR|EXTERNAL_DEVICE|NO_DEVICE"
    r"|DEVICE_UNAVAILABLE|DEVICE_NOT_LICENSED|SYSTEM_NOT_READY|SYSTEM_DRIVER_MISMATCH|OPERATING_SYSTEM|UNKNOWN)\b",
    r"uncorrectable (?:\w+ ){0,2}error",
    r"\bXid\b",
    r"fallen off the bus",
    r"\bGPU is lost\b",
    # NCCL: a CUDA call of this process failed. The failure of a peer is a "remote error" or a "system error".
    r"unhandled cuda error",
    # TPU: https://openxla.org/xla/errors/error_0200
    r"observed errors are: \[[^\]]*(?:Hardware|Power|Network)",
    r"(?:device|core) halted",
    r"halted unexpectedly",
    r"\b(?:TPU|GPU|chip|core|accelerator|device)(?: \S+){0,3} (?:has been|was) reset",
    r"\b(?:TPU|GPU|chip|core|accelerator|device)(?: \S+){0,3} is (?:unhealthy|in a bad state)",
    r"\b(?:TPU|accelerator) device error",
    r"hardware (?:error|failure|fault)",
)
_PROGRAM_FAULTS = (
    r"RESOURCE_EXHAUSTED|out of memory",
    # CUDA: what a kernel did.
    r"CUDA_ERROR_(?:ILLEGAL_ADDRESS|ILLEGAL_INSTRUCTION|MISALIGNED_ADDRESS|LAUNCH_FAILED|LAUNCH_OUT_OF_RESOURCES|ASSERT|INVALID_\w+)",
    r"illegal memory access",
    # TPU: a device also halts at an assertion of the compiled program.
    r"\bscheck\w+|BoundsCheck|nonzero value upon exit|launch group|observed errors are: \[User\]",
)
_REFUSED = re.compile("INVALID_ARGUMENT|UNIMPLEMENTED|FAILED_PRECONDITION")
_DEVICE_FAULT = re.compile("|".join(_DEVICE_FAULTS), re.IGNORECASE)
_PROGRAM_FAULT = re.compile("|".join(_PROGRAM_FAULTS), re.IGNORECASE)


def is_device_fault(text: str) -> bool:
    """Whether a device of this host failed: its memory, link or driver, or it was reset. Another node may do better."""
    return bool(_DEVICE_FAULT.search(text)) and not _PROGRAM_FAULT.search(text) and not _RELAYED.search(text)


def is_program_fault(text: str) -> bool:
    """Whether the error lies in what this process asked of its devices: too much memory, or an invalid program."""
    return bool(_PROGRAM_FAULT.search(text) or _REFUSED.search(text))
