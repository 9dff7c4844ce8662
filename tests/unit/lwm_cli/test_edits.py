"""`--set` changes the object before it is read, so that it is checked as strictly as the file."""

from pathlib import Path

import pytest

from lwm_cli.errors import FileError
from lwm_cli.local.manifest import Options, load_local
from lwm_operator.api.training import Training
from support.local_training import write_file


def with_settings(folder: Path, *settings: str) -> Training:
    return load_local(write_file(folder), Options(settings), None)


def test_a_value_is_yaml_and_missing_mappings_are_made(tmp_path: Path) -> None:
    spec = with_settings(tmp_path, "failurePolicy.budgets.app=0", "stages[0].mesh={dp: 2, sp: 2}", "checkpoint.saveIntervalSteps=").spec
    assert (spec.failure_policy.budgets.app, spec.stages[0].mesh.dp) == (0, 2)
    assert spec.checkpoint.save_interval_steps == 100, "null removes a field"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("stages[0].stpes=10", "changed by an option: spec.stages[0].stpes: unknown field: did you mean steps?"),
        ("stages[0].steps=ten", 'changed by an option: spec.stages[0].steps: it is the text "ten", and must be a whole number'),
        ("stages[0].steps=0", "changed by an option: spec.stages[0].steps: Input should be greater than or equal to 1"),
        ("stages[2].steps=10", "--set stages[2].steps=10: spec.stages has no [2]: use a number from 0 to 1, or one of short, longer"),
        ("stages[none].steps=1", "spec.stages has no [none]: use a number from 0 to 1, or one of short, longer"),
        ("seed[0]=1", "--set seed[0]=1: spec.seed is no list: it has no [0]"),
        ("stages.steps=1", "--set stages.steps=1: spec.stages is no mapping: it has no steps"),
        ("seed={", "--set seed={: the value is not YAML"),
        ("seed", "--set seed: write PATH=VALUE, such as stages[0].steps=10"),
        ("se ed=1", "--set se ed=1: write PATH=VALUE"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(FileError) as raised:
        with_settings(tmp_path, setting)
    assert message in str(raised.value)
