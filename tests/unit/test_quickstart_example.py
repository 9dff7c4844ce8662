"""The example is one that the operator would accept."""

import yaml

from lwm_trainer.config import Mesh, Model, Optimizer, misfits
from quickstart.training import EXAMPLE


def test_every_stage_fits_and_grows() -> None:
    spec = yaml.safe_load(EXAMPLE.read_text())["spec"]
    cpu = spec["accelerator"]["cpu"]
    for stage in spec["stages"]:
        Optimizer.model_validate(stage["optimizer"])
        found = misfits(
            model=Model.model_validate(spec["model"]),
            mesh=Mesh.model_validate(stage["mesh"]),
            devices=cpu["hosts"] * cpu["devicesPerHost"],
            context_length=stage["contextLength"],
            batch_tokens=stage["batchTokens"],
        )
        assert found == []
        assert stage["ropeTheta"] > 0.0424 * stage["contextLength"] ** 1.628, "below the bound where retrieval fails"
    assert [stage["contextLength"] for stage in spec["stages"]] == [512, 1024, 4096]
    assert len({tuple(sorted(stage["mesh"].items())) for stage in spec["stages"]}) == 3
