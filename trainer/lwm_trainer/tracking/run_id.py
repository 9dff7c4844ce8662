"""The name of a stage's curve in a tracker that others write to, too."""

from lwm_trainer.config import RunConfig


def training_id(run: RunConfig) -> str:
    """The training with the first characters of its uid, such as `bible-64e482a9`: no two trainings have the same."""
    return run.checkpoint.root.rstrip("/").rpartition("/")[2]


def run_id(run: RunConfig) -> str:
    """The stage's curve, such as `bible-64e482a9-s2-ctx4k`.

    All attempts have the same, until a rollback: steps after it are other steps, so a curve of its own begins, with `-r1` at its end.
    """
    rollbacks = f"-r{len(run.start.rollbacks)}" if run.start.rollbacks else ""
    return f"{training_id(run)}-s{run.stage_index + 1}-{run.stage}{rollbacks}"
