"""A training on a terminal and in a log."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from lwm_cli.local.manifest import Options, load_local
from lwm_cli.status_table import TrainingView
from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training
from support.local_training import write_file


def a_training(folder: Path, step: int, reason: str = "Training") -> Training:
    entry = StageStatus(name="short", state=StageState.RUNNING, step=step, total_steps=12, loss="2.5000", tokens_per_second="1234")
    status = Status(phase=Phase.RUNNING, reason=reason, message=f"step {step}/12", current_stage=1, attempt=1, stages=(entry,))
    return load_local(write_file(folder), Options(), None).model_copy(update={"status": status})


def test_a_terminal_shows_a_table_of_stages(tmp_path: Path) -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=120, record=True, _environ={"TERM": "xterm"})
    with TrainingView(console) as view:
        view.show(a_training(tmp_path, 5))
        view.say("a line that stays")
    text = console.export_text()
    assert "short        64  10,000  Running  5/12  2.5000     1,234" in text
    assert "longer      128  10,000  Pending   0/6" in text
    assert "█" * 5 + "░" * 7 in text
    assert "Running · Training · step 5/12" in text


def test_elsewhere_there_is_a_line_for_a_change_and_none_for_each_step(tmp_path: Path) -> None:
    log = StringIO()
    with TrainingView(Console(file=log, force_terminal=False)) as view:
        for step, reason in ((0, "Training"), (5, "Training"), (5, "Saving")):
            view.show(a_training(tmp_path, step, reason))
        view.show(a_training(tmp_path, 5).model_copy(update={"status": Status(phase=Phase.RECOVERING, reason="Killed", message="again")}))
    assert log.getvalue() == "Running · Training · step 0/12\nRecovering · Killed · again\n"
