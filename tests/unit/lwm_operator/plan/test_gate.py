"""A gate that a stage does not meet stops the training after the stage's last commit; a higher spec.resume lets the stage through."""

from typing import Any

import pytest

from lwm_operator.api.stage_status import GateState, StageState
from lwm_operator.api.status import Phase
from lwm_operator.plan.actions import Plan
from lwm_trainer.config import ExitCode, SuiteScore, TerminationMessage
from simulation.builders import stage, training
from simulation.simulation import Simulation

MESSAGE = "validation loss 3.4102 is above gate.maxValidationLoss 3 (held-out text 3.4102)"
SETS = [{"name": "books", "source": {"uri": "gs://lwm/books"}}, {"name": "held-out", "source": {"uri": "gs://lwm/held-out"}}]


def gated(on_failure: str = "Pause") -> Simulation:
    """A training of two stages, of which the first has a gate and has trained and committed its last step."""
    gate = {"maxValidationLoss": 3.0, "onFailure": on_failure}
    first, second = stage("a", validation={"datasets": ["held-out"]}, gate=gate), stage("b", validation={"datasets": ["held-out"]})
    simulation = Simulation(training(stages=[first, second], datasets=SETS))
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(60, commit=True)
    simulation.reconcile()
    return simulation


def fail_gate(simulation: Simulation) -> Plan:
    for pod in simulation.state.newest_pods:
        message = TerminationMessage(code=ExitCode.GATE_FAILED, reason="GateFailed", message=MESSAGE, step=60)
        simulation.trainers.exit(pod, ExitCode.GATE_FAILED, termination_message=message)
    simulation.job_controller.sync()
    simulation.reconcile()
    return simulation.reconcile()


def first_stage(simulation: Simulation) -> Any:
    return simulation.training.status.stages[0]


def test_a_stage_that_meets_its_gate_is_complete_and_one_without_has_none() -> None:
    simulation = gated()
    simulation.finish()
    simulation.reconcile()
    assert (first_stage(simulation).state, first_stage(simulation).gate) == (StageState.COMPLETE, GateState.PASSED)
    assert simulation.training.status.stages[1].gate is None


@pytest.mark.parametrize(
    ("on_failure", "phase", "state"), [("Pause", Phase.PAUSED, StageState.PAUSED), ("Fail", Phase.FAILED, StageState.FAILED)]
)
def test_one_that_does_not_stops_the_training_with_the_losses(on_failure: str, phase: Phase, state: StageState) -> None:
    simulation = gated(on_failure)
    decided = fail_gate(simulation)
    assert (decided.status.phase, decided.status.reason) == (phase, "GateFailed")
    assert MESSAGE in decided.status.message
    assert "set spec.resume to 1" in decided.status.message
    entry = first_stage(simulation)
    assert (entry.state, entry.gate, entry.committed_step, entry.failures.gate) == (state, GateState.FAILED, 60, 1)


def test_the_scores_of_suites_are_shown_while_they_are_asked_and_when_the_gate_has_failed() -> None:
    simulation = gated()
    score = SuiteScore(suite="needle", score=0.25, low=0.1123, high=0.4687, questions=20, min_score=0.9)
    gang = simulation.state.newest_gang
    assert gang is not None
    simulation.trainers.report(gang)
    simulation.state.reports[gang.number] = simulation.state.reports[gang.number].model_copy(update={"suites": (score,)})
    simulation.reconcile()
    (shown,) = first_stage(simulation).gate_suites
    assert (shown.suite, shown.score, shown.interval, shown.questions, shown.min_score) == (
        "needle",
        "0.2500",
        "0.1123 to 0.4687",
        20,
        "0.9",
    )
    fail_gate(simulation)
    assert first_stage(simulation).gate_suites == (shown,)
    assert first_stage(simulation).gate == GateState.FAILED


def test_a_higher_resume_lets_the_stage_through_as_it_is() -> None:
    simulation = gated()
    fail_gate(simulation)
    simulation.edit(resume=1)
    simulation.reconcile()
    (again,) = [action for action in simulation.created if action.attempt == 2]
    assert (again.stage, again.start.gate_waived, again.start.earlier_attempts) == (1, True, (1,))
    simulation.start()
    simulation.train(0, commit=True)
    simulation.finish()
    simulation.reconcile()
    simulation.reconcile()
    assert (first_stage(simulation).state, first_stage(simulation).gate) == (StageState.COMPLETE, GateState.WAIVED)
    (second,) = [action for action in simulation.created if action.stage == 2]
    assert not second.start.gate_waived
