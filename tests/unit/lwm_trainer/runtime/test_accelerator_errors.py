import pytest

from lwm_trainer.runtime.accelerator_errors import is_device_fault, is_program_fault

HALT = "INTERNAL: Core halted unexpectedly: INTERNAL: Accelerator device halted prematurely, perhaps due to an on-device check-failure."
NCCL = "INTERNAL: NCCL operation ncclAllReduce(a, b, n) failed: {}. Last NCCL warning(error) log entry (may be unrelated) '{}'."


@pytest.mark.parametrize(
    "text",
    [
        "INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered",
        "INTERNAL: CUDA error: : CUDA_ERROR_NVLINK_UNCORRECTABLE: uncorrectable NVLink error detected during the execution",
        "UNAVAILABLE: CUDA_ERROR_CONTAINED: Invalid access of peer GPU memory over nvlink or a hardware error",
        "INTERNAL: failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY: system not yet initialized",
        "INTERNAL: failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error",
        "INTERNAL: failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
        "INTERNAL: NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.",
        NCCL.format("unhandled cuda error (run with NCCL_DEBUG=INFO for details)", "Cuda failure 'uncorrectable ECC error encountered'"),
        NCCL.format("unhandled cuda error", ""),
        f"{HALT} Node 0 halted unexpectedly at tag:pc TensorCoreSequencer:1:0x1d9",
        f"{HALT} observed errors are: [Hardware]",
        "FAILED_PRECONDITION: The program continuator has halted unexpectedly.",
        "UNAVAILABLE: TPU has been reset",
        "INTERNAL: the TPU at 0x0x0 was reset by the host",
        "DATA_LOSS: HBM: uncorrectable memory error on chip 2",
        "UNAVAILABLE: TPU device error.",
        "UNAVAILABLE: chip 3 is unhealthy",
    ],
)
def test_a_device_that_failed(text: str) -> None:
    assert is_device_fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9663676416 bytes.",
        NCCL.format("unhandled cuda error", "Cuda failure 2 'out of memory'"),
        "INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
        "INTERNAL: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
        f"{HALT} Node 0 halted unexpectedly at tag:pc TensorCoreSequencer:23:0x292: BoundsCheck 92 [deref of %s931]",
        f"{HALT} scheckne: An unexpected leader shows up in the launch group with a different launch id",
        f"{HALT} Semaphore (scratch argument 1) has a nonzero value upon exit from a Mosaic kernel.",
        f"{HALT} observed errors are: [User]",
        "INVALID_ARGUMENT: Executable expected parameter 0 of size 4",
        "UNIMPLEMENTED: no kernel",
    ],
)
def test_a_program_that_asked_for_what_cannot_be(text: str) -> None:
    assert is_program_fault(text)
    assert not is_device_fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "UNAVAILABLE: Connection closed by peer",
        "UNKNOWN: Gloo all-reduce failed: [external/gloo/transport/tcp/pair.cc:538] Connection reset by peer [10.0.0.3]:41234",
        NCCL.format("remote process exited or there was a network error", ""),
        NCCL.format("unhandled system error", "socketProgress: Connection closed by remote peer"),
        "UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats): /job:jax_worker/replica:0/task:2",
        "ABORTED: /job:jax_worker/replica:0/task:2 reported: INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE",
        "DEADLINE_EXCEEDED: Barrier timed out. Id: step::10",
        "INTERNAL: Slice health check failed: Worker connection 10.0.0.3:8471 failed.",
    ],
)
def test_the_loss_of_a_peer_is_neither(text: str) -> None:
    assert not is_device_fault(text)
    assert not is_program_fault(text)
