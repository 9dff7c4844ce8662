"""Each field that goes into pods: what the API server would refuse in a pod is refused before anything is made."""

import pytest

from lwm_operator.api.status import Phase
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_operator.plan.validation.validate import validate
from simulation.builders import NOW, training
from support.pod_fields import RIGHT, WRONG, limits


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pod_field_is_refused_with_its_name_and_the_fix(name: str) -> None:
    changes, message = WRONG[name]
    [error] = validate(training(**changes).spec)
    assert error.startswith(message)


@pytest.mark.parametrize("name", RIGHT)
def test_what_pods_can_have_is_accepted(name: str) -> None:
    assert validate(training(**RIGHT[name]).spec) == ()


def test_nothing_is_made_for_a_pod_that_could_not_be() -> None:
    decided = plan(training(**limits(memory="16GB")), Observed(), NOW)
    assert decided.actions == ()
    assert decided.status.phase != Phase.RUNNING
    accepted = next(condition for condition in decided.status.conditions if condition.type == "Accepted")
    assert (accepted.status, "use 16G or 16Gi" in accepted.message) == ("False", True)
