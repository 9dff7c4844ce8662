import json

import pytest

from lwm_trainer.config import START_LINE_PREFIX
from lwm_trainer.runtime.start_line import print_start_line
from support.builders import a_run


def test_a_process_says_in_one_line_who_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run()
    print_start_line(run, 1)
    line = capsys.readouterr().out
    assert line.startswith(START_LINE_PREFIX)
    assert line.count("\n") == 1
    about = json.loads(line.removeprefix(START_LINE_PREFIX))
    assert (about["training"], about["stage"], about["attempt"], about["process"]) == (run.training, run.stage, run.attempt, 1)
    assert (about["processes"], about["coordinator"]) == (run.gang.hosts, run.gang.coordinator)
    assert about["mesh"]["fsdp"] == run.mesh.fsdp
    assert (about["platform"], about["devicesPerHost"]) == (run.gang.platform, run.gang.devices_per_host)
    assert about["version"]
    assert about["host"]
