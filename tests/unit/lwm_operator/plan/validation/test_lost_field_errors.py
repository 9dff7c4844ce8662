"""The sentence about fields that the API server has dropped."""

from lwm_operator.plan.validation.lost_field_errors import SHOWN, lost_field_errors


def test_it_names_each_field_its_present_name_and_the_fix() -> None:
    (error,) = lost_field_errors(("checkpoint.everySteps", "stages[ctx512].memory.experts"))
    assert "spec.checkpoint.everySteps (now saveIntervalSteps), spec.stages[ctx512].memory.experts, and" in error
    assert "apply the training again with the fields of this version (docs/guides/upgrade.md)" in error


def test_without_any_there_is_none() -> None:
    assert lost_field_errors(()) == ()


def test_of_many_it_names_the_first_and_counts_the_others_so_that_the_fix_fits_into_the_message() -> None:
    lost = tuple(f"stages[{'x' * 30}{number:02}].memory.accumulation" for number in range(32))
    (error,) = lost_field_errors(lost)
    assert error.count("(now gradientAccumulationSteps)") == SHOWN
    assert f"and {32 - SHOWN} more" in error
    assert len(error) <= 1024
