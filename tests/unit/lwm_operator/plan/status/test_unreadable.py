"""The status of a training that the operator cannot parse."""

from datetime import timedelta

from lwm_operator.plan.status.unreadable import unreadable_status
from simulation.builders import NOW


def test_only_what_says_so_is_set() -> None:
    status = unreadable_status("spec.stages: wrong", (), 7, NOW)
    assert status.model_fields_set == {"observed_generation", "phase", "reason", "message", "conditions"}
    by_type = {each.type: each for each in status.conditions}
    assert len(by_type) == 6
    assert (by_type["Accepted"].status, by_type["Accepted"].reason, by_type["Accepted"].message) == (
        "False",
        "Unreadable",
        "spec.stages: wrong",
    )
    assert (by_type["Stalled"].status, by_type["Progressing"].status) == ("True", "False")


def test_written_again_it_is_the_same() -> None:
    first = unreadable_status("spec.stages: wrong", (), 7, NOW)
    assert unreadable_status("spec.stages: wrong", first.conditions, 7, NOW + timedelta(hours=1)) == first
