"""Offloading moves what a layer keeps to the host's memory, in the program of the real TPU compiler."""

import re
from typing import Any, cast

import pytest
from jax.sharding import Mesh

from lwm_trainer.config import Remat
from lwm_trainer.fit.compile import topology
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.train_step import make_program
from support.builders import a_run, tpus
from support.tpu_programs import compiled

MODEL = {"layers": 4, "width": 512, "heads": 4, "kv_heads": 4, "head_dim": 128, "mlp_width": 1024, "vocab_size": 512}


HOST = re.compile(r"annotate_device_placement.*pinned_host.*-> tensor<(\w+)>")


def lowered(remat: Remat, mesh: Mesh) -> Any:
    """One step on a slice of four chips, 8,192 tokens on each, before the TPU compiler."""
    run = a_run(
        gang=tpus(4),
        mesh={"sp": 4},
        model=MODEL,
        precision={"compute": "bfloat16"},
        context_length=32768,
        batch_tokens=32768,
        memory={"remat": remat},
    )
    program = make_program(run, mesh)
    step = cast("Any", program.train_step)
    return step.lower(program.abstract_state, abstract_batch(run, program.batch_sharding))


def test_offload_sends_to_the_host_what_attention_keeps_on_the_device_and_nothing_else() -> None:
    mesh = topology.mesh("v5p:2x2x1", ring=4)
    stream, attended, lse = "1x32768x512xbf16", "1x32768x4x128xbf16", "1x32768x4xf32"
    assert HOST.findall(lowered("offload", mesh).as_text()) == [stream, attended, lse]
    assert HOST.findall(lowered("attention", mesh).as_text()) == []


@pytest.mark.soak
def test_the_compiler_gives_what_is_offloaded_room_on_the_host() -> None:
    mesh = topology.mesh("v5p:2x2x1", ring=4)
    kept, offloaded = (compiled(lowered(remat, mesh), mesh) for remat in ("attention", "offload"))
    assert kept.host_temp_bytes == 0
    stream = 8192 * 512 * 2
    lse = 8192 * 4 * 4
    assert offloaded.host_temp_bytes >= 4 * (2 * stream + lse)
    assert offloaded.temp_bytes < kept.temp_bytes
