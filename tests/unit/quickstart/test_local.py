from lwm_cli.local.manifest import Options, load_local
from lwm_cli.training import load
from quickstart.local import DEVICES, settings_for
from quickstart.options import EXAMPLE


def test_local_mode_has_fewer_devices_and_the_examples_batches_and_steps() -> None:
    example = load(EXAMPLE).spec.stages
    local = load_local(EXAMPLE, Options(settings_for(len(example))), None).spec
    assert [stage.mesh.size for stage in local.stages] == [DEVICES] * len(example)
    for ours, theirs in zip(local.stages, example, strict=True):
        assert ours.model_copy(update={"mesh": theirs.mesh}) == theirs
