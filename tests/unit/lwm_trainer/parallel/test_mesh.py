import jax
import pytest

from lwm_trainer.config import Mesh, Model, Vision
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh


def test_a_parameter_nobody_placed_is_an_error_that_says_where_to_place_it() -> None:
    with pytest.raises(ValueError, match=r"'experts' has no place: add it to lwm_trainer\.parallel\.mesh\.RULES"):
        mesh.spec(("embed", "experts"))


def test_every_rule_places_a_parameter_and_a_model_with_an_unplaced_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(layers=1, width=8, heads=1, kv_heads=1, head_dim=8, mlp_width=8, vocab_size=16, vision=Vision())
    made = mesh.make_mesh(Mesh(fsdp=8))
    mesh.shardings(made, llama.logical_axes(model))
    for axis in list(mesh.RULES):
        with monkeypatch.context() as without:
            without.delitem(mesh.RULES, axis)
            with pytest.raises(ValueError, match=f"'{axis}' has no place"):
                mesh.shardings(made, llama.logical_axes(model))


@pytest.mark.parametrize(("tp", "partition"), [(2, "tp"), (4, None)])
def test_the_projections_of_key_heads_are_on_every_device_of_tp_where_there_are_more_of_these(tp: int, partition: str | None) -> None:
    model = Model(layers=1, width=8, heads=4, kv_heads=2, head_dim=2, mlp_width=8, vocab_size=16)
    attention = mesh.parameter_shardings(mesh.make_mesh(Mesh(tp=tp, fsdp=8 // tp)), model)["layers"]["attention"]
    assert [attention[name].spec[2] for name in ("key", "value")] == [partition] * 2
    assert attention["query"].spec[2] == "tp"


def test_heads_of_one_token_are_neighbours_and_replicas_are_farthest() -> None:
    made = mesh.make_mesh(Mesh(dp=2, sp=2, tp=2))
    assert [device.id for device in made.devices[0, 0].flat] == [0, 1, 2, 3]
    assert made.axis_names == ("dp", "fsdp", "ring", "ulysses", "tp")


def test_a_mesh_that_is_not_the_devices_is_refused() -> None:
    with pytest.raises(ValueError, match=f"its product is 4, but JAX sees {len(jax.devices())} devices"):
        mesh.make_mesh(Mesh(sp=4))
