"""A stage keeps the trainer image with which it began, unless spec.image decides."""

import pytest

from lwm_operator.api.stage_status import ImageSource, StageStatus
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.run_config import run_config
from lwm_operator.plan.stage_image import pin_image, recover_image
from simulation.builders import job, spec, stage, training
from simulation.moves import make_move
from simulation.simulation import Simulation

SPEC, INSTALLATION = ImageSource.SPEC, ImageSource.INSTALLATION


@pytest.mark.parametrize(
    ("image", "source", "wanted", "expected"),
    [
        (None, None, "", ("trainer:2", INSTALLATION)),
        ("trainer:1", INSTALLATION, "", ("trainer:1", INSTALLATION)),
        ("trainer:1", INSTALLATION, "mine:3", ("mine:3", SPEC)),
        ("mine:3", SPEC, "mine:4", ("mine:4", SPEC)),
        ("mine:3", SPEC, "", ("trainer:2", INSTALLATION)),
    ],
)
def test_the_image_of_the_next_attempt(
    image: str | None, source: ImageSource | None, wanted: str, expected: tuple[str, ImageSource]
) -> None:
    entry = StageStatus(name="ctx512", image=image, image_source=source)
    pinned = pin_image(entry, training(**spec(image=wanted)).spec, "trainer:2")
    assert (pinned.image, pinned.image_source) == expected


def test_a_lost_status_recovers_the_image_from_the_job() -> None:
    entry, ours = StageStatus(name="ctx512"), training(image="mine:3").spec
    assert recover_image(entry, ours, job(image="trainer:1")).image_source == INSTALLATION
    assert recover_image(entry, ours, job(image="mine:3")).image_source == SPEC
    assert recover_image(entry, ours, None) == entry


def test_a_suspended_stage_goes_on_after_an_upgrade_with_its_image_and_with_what_was_edited() -> None:
    """Suspend, upgrade the operator, apply: the API server refuses another `stages[0]`, and the rest takes effect."""
    simulation = Simulation(training(stages=[stage("a", steps=10), stage("b", steps=10)]))
    simulation.reconcile()
    simulation.start()
    simulation.train(5, commit=True)
    before = simulation.training.spec
    make_move(simulation, ("suspend", True))
    simulation.reconcile()
    make_move(simulation, ("settle",))
    assert simulation.reconcile().status.reason == "Suspended"
    simulation.operator.upgrade()
    make_move(simulation, ("apply changed", 7))
    make_move(simulation, ("suspend", False))
    simulation.reconcile()
    first, second = simulation.created
    assert (second.attempt, second.image) == (2, first.image)
    assert second.template != first.template, "the new variable is in the pods"
    configs = [
        run_config(AttemptSpec(training=whole, stage=1, attempt=2, start=second.start, image=second.image, template=""))
        for whole in (simulation.training.model_copy(update={"spec": before}), simulation.training)
    ]
    assert [config.checkpoint.save_interval_steps for config in configs] == [before.checkpoint.save_interval_steps, 7]
    old, new = (config.model_dump(exclude={"checkpoint": {"save_interval_steps"}}) for config in configs)
    assert new == old, "of a stage that has begun nothing else changes"
    simulation.edit(image="mine:3")
    simulation.start()
    simulation.fail(0, 137)
    simulation.job_controller.sync()
    for _ in range(4):
        simulation.reconcile()
        make_move(simulation, ("settle",))
        simulation.wait(11)
    assert [action.image for action in simulation.created[2:]] == ["mine:3"], "spec.image takes effect with the next attempt"


def test_an_upgrade_in_the_middle_of_a_stage_changes_the_next_stage_only() -> None:
    simulation = Simulation(training(stages=[stage("a", steps=10), stage("b", steps=10)]))
    simulation.reconcile()
    simulation.start()
    simulation.operator.upgrade()
    simulation.fail(0, 137)
    simulation.job_controller.sync()
    for _ in range(4):
        simulation.reconcile()
        simulation.terminate_deleted()
        simulation.environment.remove_terminated()
        simulation.wait(11)
    assert [(action.attempt, action.image) for action in simulation.created] == [(1, "trainer:good"), (2, "trainer:good")]
    assert simulation.training.status.summary.image == "trainer:good"
    simulation.start()
    simulation.train(10, commit=True)
    simulation.finish()
    simulation.job_controller.sync()
    simulation.reconcile()
    assert [(action.stage, action.image) for action in simulation.created[2:]] == [(2, "trainer:good1")]
    assert [entry.image for entry in simulation.training.status.stages] == ["trainer:good", "trainer:good1"]
