import pytest
from pydantic import ValidationError

from lwm_trainer.config import MatmulPrecision, NumberType, Precision


@pytest.mark.parametrize(
    ("compute", "matmul", "effective"),
    [("float32", None, "highest"), ("float32", "default", "default"), ("bfloat16", None, "default")],
)
def test_float32_means_float32_products_unless_the_policy_says_otherwise(
    compute: NumberType, matmul: MatmulPrecision | None, effective: MatmulPrecision
) -> None:
    assert Precision(compute=compute, matmul=matmul).matmul_precision == effective


def test_a_matmul_precision_without_effect_is_refused() -> None:
    with pytest.raises(ValidationError, match="matmul is for compute float32, products of bfloat16 have one precision: leave matmul out"):
        Precision(compute="bfloat16", matmul="highest")
