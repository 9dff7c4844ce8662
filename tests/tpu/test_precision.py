"""The precision policy in the program of the real TPU compiler: every matrix product, those of the attention kernels included."""

import base64
import re
from typing import Any, cast

import pytest

from lwm_trainer.fit.compile import topology
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.train_step import make_program
from support.builders import a_run, tpus

MODEL = {"layers": 2, "width": 256, "heads": 2, "kv_heads": 1, "head_dim": 128, "mlp_width": 512, "vocab_size": 512}


def lowered(precision: dict[str, str]) -> Any:
    """A step with a ring of four chips, before the TPU compiler."""
    run = a_run(gang=tpus(4), mesh={"sp": 4}, model=MODEL, precision=precision, context_length=4096, batch_tokens=4096)
    program = make_program(run, topology.mesh("v5p:2x2x1", ring=4))
    return cast("Any", program.train_step).lower(program.abstract_state, abstract_batch(run, program.batch_sharding))


@pytest.mark.parametrize(
    ("precision", "is_exact"),
    [({}, True), ({"matmul": "default"}, False), ({"compute": "bfloat16"}, False)],
    ids=["float32", "fast", "bf16"],
)
def test_products_are_exact_where_float32_is_asked_for_and_nowhere_else(precision: dict[str, str], is_exact: bool) -> None:
    program = lowered(precision).as_text()
    products = [line for line in program.splitlines() if "stablehlo.dot_general" in line]
    assert len(products) > 20
    assert {"precision = [HIGHEST, HIGHEST]" in line for line in products} == {is_exact}, "\n".join(products)
    kernels = [base64.b64decode(code) for code in re.findall(r"\\22body\\22: \\22([^\\]*)\\22", program)]
    assert kernels
    assert all(b"tpu.matmul" in kernel for kernel in kernels)
    assert {b"#tpu.contract_precision<fp32>" in kernel for kernel in kernels} == {is_exact}
