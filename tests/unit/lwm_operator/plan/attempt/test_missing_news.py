import pytest

from lwm_operator.api.attempt_status import AttemptState, FailureClass
from lwm_operator.plan.attempt.missing_news import ends_without_news
from simulation.builders import cause, failed, running, status

SILENT = cause(FailureClass.HANG, "LeaseNotRenewed")


@pytest.mark.parametrize(
    "reason", ["Hang", "LeaseNotRenewed", "PlacementTimeout", "StartupTimeout", "AvoidedNodesNeeded", "Superseded", "NodeNotReady"]
)
def test_what_the_operator_decides_without_the_pods_word_needs_a_fresh_look(reason: str) -> None:
    stopping = running(state=AttemptState.STOPPING, root_cause=cause(reason=reason))
    assert ends_without_news(status(running()), status(stopping))


def test_what_pods_have_reported_stays_true() -> None:
    assert not ends_without_news(status(running()), status(running(state=AttemptState.STOPPING, root_cause=cause(reason="Killed"))))


def test_a_verdict_is_given_once() -> None:
    stopping = running(state=AttemptState.STOPPING, root_cause=SILENT)
    assert not ends_without_news(status(stopping), status(failed(why=SILENT)))
    assert not ends_without_news(status(failed(why=SILENT)), status(running(2), failed(why=SILENT)))
    assert ends_without_news(status(running()), status(running(2, AttemptState.CREATING), failed(why=SILENT))), (
        "the next one may begin at once"
    )
