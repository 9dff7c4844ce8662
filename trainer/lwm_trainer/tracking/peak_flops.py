"""Peak rate of a device in bfloat16, by the name that JAX has for it: what MFU is a share of."""

from lwm_trainer.config.accelerator_families import TPU_FAMILIES

_TPU_KINDS = {
    "TPU v4": "v4",
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
    "TPU7x": "v7x",
}
"""Source: jax 0.10.2 jax/_src/pallas/mosaic/tpu_info.py."""

_GPU_FLOPS = {
    "NVIDIA A100-SXM4-40GB": 3.12e14,
    "NVIDIA A100-SXM4-80GB": 3.12e14,
    "NVIDIA H100 80GB HBM3": 9.895e14,
    "NVIDIA H200": 9.895e14,
    "NVIDIA B200": 2.25e15,
}
"""Without sparsity. Sources: https://www.nvidia.com/en-us/data-center/a100 (312 TFLOPS), h100 and h200 (SXM: 1,979 with sparsity),
dgx-b200 (eight GPUs: 36 PFLOPS of FP16 with sparsity)."""


def peak_flops(device_kind: str) -> float | None:
    """FLOP/s of one JAX device in bfloat16; None for a device whose figure is not known, such as a CPU."""
    family = _TPU_KINDS.get(device_kind)
    return TPU_FAMILIES[family].device.flops if family is not None else _GPU_FLOPS.get(device_kind)
