"""Run configs for estimates and compilation only: they have a mesh, a model and a shape, but no data, storage or peers."""

from lwm_trainer.config import Checkpoint, Dataset, Gang, Memory, Mesh, Model, Precision, RunConfig

LLAMA_2_7B = Model(layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000)

MIXED = Precision(compute="bfloat16")
"""Activations in bfloat16, parameters and optimizer in float32: how the recipe's models are trained."""

HOST = 4
"""Chips per host of v4, v5p and large v6e slices."""


def tpu_run(
    model: Model,
    mesh: Mesh,
    memory: Memory,
    *,
    context_length: int,
    rows: int,
    rope_theta: float,
    precision: Precision = MIXED,
    stage: str = "fit",
    slices: int = 1,
) -> RunConfig:
    """The run config of a stage on TPUs; `rows` is rows of the global batch. Raises ValueError when the settings contradict each other."""
    return RunConfig(
        training="fit",
        stage=stage,
        stage_index=0,
        stage_count=1,
        attempt=1,
        gang=Gang(
            job="fit", service="fit", slices=slices, hosts=mesh.size // HOST, devices_per_host=HOST, platform="tpu", coordinator="fit:1"
        ),
        mesh=mesh,
        model=model,
        precision=precision,
        tokenizer="/none",
        datasets=(Dataset(name="none", kind="text", uri="/none"),),
        context_length=context_length,
        batch_tokens=rows * context_length,
        rope_theta=rope_theta,
        steps=1,
        memory=memory,
        checkpoint=Checkpoint(root="/none", save_interval_steps=1),
    )
