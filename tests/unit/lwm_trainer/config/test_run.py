import pytest

from lwm_trainer.config import Memory, Mesh, Model, Rollback, RopeScaling, RunConfig, Start, Vision, key_head_copies, violations
from support.builders import a_run

MODEL = Model(layers=2, width=64, heads=4, kv_heads=2, head_dim=16, mlp_width=128, vocab_size=128)


def test_what_fits_has_no_misfit() -> None:
    assert violations(model=MODEL, mesh=Mesh(fsdp=2, tp=2, sp=2), devices=8, context_length=64, batch_tokens=512, memory=Memory()) == []


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"devices": 4}, "mesh", "= 8 devices, but the accelerator has 4"),
        ({"context_length": 66, "batch_tokens": 528}, "contextLength", "66 is not a multiple of 2 x sp = 4"),
        ({"batch_tokens": 500}, "batchTokens", "500 is not a multiple of contextLength 64: use 512"),
        ({"batch_tokens": 64}, "batchTokens", "which dp x fsdp = 2 does not divide: use a multiple of 128"),
        (
            {"mesh": Mesh(fsdp=2, sp=4, ulysses=3)},
            "mesh.ulysses",
            "3 does not divide both sp 4 and the query heads of a tp shard, heads 4 / tp 1: use 1, 2, 4, or leave it out",
        ),
        ({"mesh": Mesh(tp=2, sp=4, ulysses=4)}, "mesh.ulysses", "4 does not divide both sp 4 and the query heads of a tp shard"),
        ({"mesh": Mesh(tp=8)}, "mesh.tp", "8 does not divide model.heads 4"),
        (
            {"model": MODEL.model_copy(update={"heads": 12, "kv_heads": 6}), "mesh": Mesh(tp=4, sp=2)},
            "mesh.tp",
            "4 is neither a divisor nor a multiple of model.kvHeads 6: use 6, or a divisor of 6",
        ),
        ({"model": MODEL.model_copy(update={"kv_heads": 3})}, "model.kvHeads", "3 does not divide model.heads 4"),
        ({"model": MODEL.model_copy(update={"head_dim": 15})}, "model.headDim", "15 is odd"),
        ({"model": MODEL.model_copy(update={"mlp_width": 127})}, "model.mlpWidth", "127 is not a multiple of tp = 2"),
        (
            {"memory": Memory(gradient_accumulation_steps=3)},
            "memory.gradientAccumulationSteps",
            "3 does not divide the 4 rows of each dp x fsdp shard",
        ),
        ({"memory": Memory(mlp_tile=24)}, "memory.mlpTile", "24 is not both a divisor of contextLength 64 and a multiple of sp 2"),
        ({"memory": Memory(mlp_tile=1)}, "memory.mlpTile", "1 is not both a divisor of contextLength 64 and a multiple of sp 2"),
        ({"model": MODEL.model_copy(update={"vision": Vision(vocab_size=33)})}, "model.vision.vocabSize", "33 is not a multiple of tp = 2"),
        (
            {"model": MODEL.model_copy(update={"rope_scaling": RopeScaling(type="llama3", high_frequency_factor=1)})},
            "model.ropeScaling.highFrequencyFactor",
            "1.0 is not above lowFrequencyFactor 1.0",
        ),
        ({"model": MODEL.model_copy(update={"width": 66})}, "model.width", "66 is not a multiple of fsdp x sp = 4"),
    ],
)
def test_what_does_not_fit_is_named_with_the_field_and_the_fix(changes: dict[str, object], field: str, words: str) -> None:
    usual = {"model": MODEL, "mesh": Mesh(fsdp=2, tp=2, sp=2), "devices": 8, "context_length": 64, "batch_tokens": 512, "memory": Memory()}
    problems = violations(**(usual | changes))  # type: ignore[arg-type]
    assert any(problem.field == field and words in problem.message for problem in problems), problems


@pytest.mark.parametrize(("ulysses", "ring"), [(None, 4), (1, 4), (2, 2)])
def test_a_split_that_fits_or_none_is_no_misfit(ulysses: int | None, ring: int) -> None:
    mesh = Mesh(tp=2, sp=4, ulysses=ulysses)
    assert violations(model=MODEL, mesh=mesh, devices=8, context_length=64, batch_tokens=512, memory=Memory()) == []
    assert mesh.ring == ring
    assert a_run(mesh=mesh).model_dump(by_alias=True)["mesh"]["ulysses"] == ulysses


def test_devices_of_tp_may_be_more_than_the_key_heads() -> None:
    mesh = Mesh(tp=4, sp=2)
    assert violations(model=MODEL, mesh=mesh, devices=8, context_length=64, batch_tokens=512, memory=Memory()) == []
    assert [key_head_copies(MODEL, tp) for tp in (1, 2, 4)] == [1, 1, 2]


def test_the_run_config_survives_the_way_through_json() -> None:
    run = a_run()
    text = run.model_dump_json(by_alias=True)
    assert '"contextLength":64' in text
    assert RunConfig.model_validate_json(text) == run


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="contextLenght"):
        RunConfig.model_validate(a_run().model_dump(by_alias=True) | {"contextLenght": 1})


def test_each_rollback_moves_the_batches_of_the_steps_from_it_on() -> None:
    start = Start(rollbacks=(Rollback(attempt=2, step=90, skip_batches=10), Rollback(attempt=4, step=50, skip_batches=3)))
    assert [start.batch_of(step) for step in (0, 49, 50, 89, 90, 91)] == [0, 49, 53, 92, 103, 104]
    assert [start.counts_until(attempt) for attempt in (1, 2, 3, 4)] == [50, 50, 50, None]
