"""A training begins with another one's final parameters, as spec.model.initFrom has it; one of another model is refused by name."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from lwm_trainer.checkpoint.manifest import read_manifest
from lwm_trainer.config import ExitCode, FinalReport
from lwm_trainer.model import llama
from processes.gang import Gang, a_run

STEPS = 6
STILL = {"peakLearningRate": 1e-12}
"""Parameters stay as they are, but for the last bit of the smallest."""


def a_training(folder: Path, name: str, **changes: Any) -> dict[str, Any]:
    """Two hosts, of which the first alone looks at what is begun with; its runs lie in a folder of their own."""
    checkpoint = {"root": str(folder / name), "saveIntervalSteps": 100, "maxToKeep": 2}
    return a_run(folder, training=name, steps=STEPS, checkpoint=checkpoint) | changes


def trained(folder: Path, name: str, **changes: Any) -> tuple[FinalReport, list[float]]:
    """Its end and its losses."""
    with Gang(a_training(folder, name, **changes), folder / f"{name}-1") as gang:
        return gang.final(), [line["loss"] for line in gang.steps()]


@pytest.fixture(scope="module")
def donor(folder: Path) -> tuple[FinalReport, list[float]]:
    return trained(folder, "donor", seed=1)


def parameters(final: FinalReport) -> list[np.ndarray[Any, Any]]:
    """On one device, wherever they lay."""
    one_device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = llama.abstract(read_manifest(final.checkpoint).model)
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=one_device), shapes)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        params = checkpointer.restore(Path(final.checkpoint), args=ocp.args.Composite(params=ocp.args.StandardRestore(target))).params
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params)]


def test_a_training_that_does_not_move_ends_with_the_parameters_that_it_was_given(
    folder: Path, donor: tuple[FinalReport, list[float]]
) -> None:
    donated, losses = donor
    heir, heirs = trained(folder, "heir", start={"stageCheckpoint": donated.checkpoint}, optimizer=STILL)
    drawn, fresh = trained(folder, "fresh", optimizer=STILL)
    for theirs, ours in zip(parameters(donated), parameters(heir), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    assert any(np.abs(theirs - ours).max() > 1e-3 for theirs, ours in zip(parameters(donated), parameters(drawn), strict=True))
    assert heirs[0] < fresh[0] - 0.1, f"what the donor learned is there at the first step: {losses}, {heirs}, {fresh}"


def test_another_model_ends_it_before_anything_is_compiled_and_names_the_field(
    folder: Path, donor: tuple[FinalReport, list[float]]
) -> None:
    run = a_training(folder, "stranger", start={"stageCheckpoint": donor[0].checkpoint})
    with Gang(run | {"model": run["model"] | {"heads": 8}}, folder / "stranger-1") as gang:
        assert gang.wait()[0] == ExitCode.BAD_CHECKPOINT, gang.output()
        last = gang.last_words()
    assert last.message.startswith(f"spec.model.initFrom: {donor[0].checkpoint}: model.heads is 4 there, but 8 in this training")
