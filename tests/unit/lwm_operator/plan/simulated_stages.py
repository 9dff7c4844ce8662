"""Simulated trainings of one or three stages, and what a plan creates of them."""

from typing import Any

from lwm_operator.plan.actions import CreateAttempt, Plan
from lwm_trainer.config import Start
from simulation.builders import stage, training
from simulation.simulation import Simulation

THREE = [
    stage("a"),
    stage("b", contextLength=1024, mesh={"dp": 1, "fsdp": 1, "tp": 2, "sp": 4}),
    stage("c", contextLength=4096, mesh={"dp": 1, "fsdp": 1, "tp": 1, "sp": 8}),
]


def new_simulation(**changes: Any) -> Simulation:
    return Simulation(training(**changes))


def created(decided: Plan) -> list[CreateAttempt]:
    return [action for action in decided.actions if isinstance(action, CreateAttempt)]


def begins(decided: Plan) -> tuple[int, int, Start]:
    """Stage, attempt and start of the one action, which creates an attempt."""
    (action,) = decided.actions
    assert isinstance(action, CreateAttempt)
    return action.stage, action.attempt, action.start


def through(simulation: Simulation) -> None:
    """One stage from its Job to its end, without trouble."""
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(60, commit=True)
    simulation.reconcile()
    simulation.finish()
