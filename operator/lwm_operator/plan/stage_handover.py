"""The hand-over between stages and attempts: where an attempt takes its parameters from."""

from lwm_operator.api.names import INIT_PATH
from lwm_operator.api.spec import Spec
from lwm_operator.api.stage_status import GateState, StageStatus
from lwm_trainer.config import Start


def start_of(spec: Spec, entries: tuple[StageStatus, ...], index: int, attempt: int) -> Start:
    """Where attempt `attempt` (1-based) of stage `index` (0-based) starts from.

    The newest commit of the stage's earlier attempts comes first. Without one, the parameters come from the final checkpoint of the stage
    before, or for the first stage from spec.model.initFrom.
    """
    return Start(
        earlier_attempts=tuple(range(attempt - 1, 0, -1)),
        rollbacks=entries[index].rollbacks,
        stage_checkpoint=_previous_checkpoint(entries[index - 1]) if index else initial_checkpoint(spec),
        committed_step=entries[index].committed_step,
        gate_waived=entries[index].gate == GateState.WAIVED,
        predecessor=spec.checkpoint.continue_run,
    )


def explain_unknown_start(entries: tuple[StageStatus, ...], index: int, run_root: str) -> str | None:
    """Why stage `index` (0-based) cannot begin: the status was edited or restored in part. None where its start is known."""
    if index == 0 or _previous_checkpoint(entries[index - 1]) is not None:
        return None
    return (
        f"stage {entries[index - 1].name} is complete, but status.stages[{index - 1}].finalCheckpoint is missing: set it again "
        f"(kubectl edit --subresource=status), or create the training anew with spec.checkpoint.continueRun {run_root}"
    )


def initial_checkpoint(spec: Spec) -> str | None:
    """The folder of spec.model.initFrom as the pods see it; None when the first stage draws its parameters from the seed."""
    location = spec.model.init_from
    if location is None:
        return None
    return location.uri.rstrip("/") if location.uri is not None else INIT_PATH


def _previous_checkpoint(previous: StageStatus) -> str | None:
    return previous.final_checkpoint.path if previous.final_checkpoint is not None else None
