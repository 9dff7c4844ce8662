"""The precision policy of a training: types of numbers, and the precision of matrix products."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lwm_trainer.config.contract import Contract

NumberType = Literal["float32", "bfloat16"]
MatmulPrecision = Literal["highest", "default"]
RotaryAngles = Literal["exact", "float32"]

BYTES: dict[NumberType, int] = {"float32": 4, "bfloat16": 2}
"""Bytes of a number, by type."""


class Precision(Contract):
    """Types of numbers and precision of matrix products. Parameters, norms, losses and updates are float32, whatever is chosen here."""

    compute: NumberType = "float32"
    """Type of activations, of factors of matrix products, and of parameters where layers gather and use them. Sums of products are
    float32."""
    moments: NumberType = "float32"
    """Type in which the optimizer stores the first moment. The second is always float32: rounded, its small changes would be lost."""
    matmul: MatmulPrecision | None = Field(
        default=None,
        description="Precision of matrix products on TPU and GPU where compute is float32, in JAX's words. highest: float32. default: "
        "factors are rounded to bfloat16 on TPU and to TF32 on GPU, several times as fast. CPUs always use float32. Default: highest.",
    )
    rotary_angles: RotaryAngles = "exact"
    """How angles of the rotary embedding are computed. exact: within 4e-7 radians at every position. float32: products of a float32
    frequency and position, as LWM and Hugging Face compute them, off by up to 0.1 radians at position 1,048,576."""

    @property
    def compute_bytes(self) -> int:
        """Bytes of an activation, and of a parameter where it is gathered."""
        return BYTES[self.compute]

    @property
    def matmul_precision(self) -> MatmulPrecision:
        """Precision of all matrix products; the factors of bfloat16 products need none above the default."""
        return self.matmul or ("highest" if self.compute == "float32" else "default")

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.matmul is not None and self.compute != "float32":
            raise ValueError(f"matmul is for compute float32, products of {self.compute} have one precision: leave matmul out")
        return self
