"""Weights & Biases: one run per stage, which every attempt continues."""

import tempfile
from collections.abc import Sequence
from typing import Any

from lwm_trainer.config import RunConfig, Wandb
from lwm_trainer.tracking.run_id import run_id, training_id
from lwm_trainer.tracking.tracker import Point


class WandbTracker:
    """Online the server says which steps it has. Offline each attempt writes the whole curve, as a run of its own to be synchronized."""

    name = "wandb"

    def __init__(self, run: RunConfig, settings: Wandb) -> None:
        self._run, self._settings = run, settings
        self._online = settings.mode == "online"
        self._curve: Any = None

    def resume(self) -> int:
        import wandb

        self.close()
        run, settings = self._run, self._settings
        name = run_id(run)
        self._curve = wandb.init(
            project=settings.project,
            entity=settings.entity,
            id=name if self._online else f"{name}-a{run.attempt}",
            name=name,
            group=training_id(run),
            resume="allow" if self._online else None,
            mode=settings.mode,
            dir=tempfile.mkdtemp(prefix="lwm-wandb-") if self._online else wandb_folder(run),
            config=run.model_dump(mode="json", by_alias=True, exclude={"lease", "gang"}),
            settings=wandb.Settings(console="off", silent=True, disable_git=True, disable_code=True, x_disable_meta=True),
        )
        return max(0, int(self._curve.step) - 1)  # a run that is resumed stands at the step after its last one

    def write(self, points: Sequence[Point]) -> None:
        for point in points:
            self._curve.log(dict(point.scalars), step=point.step)

    def close(self) -> None:
        curve, self._curve = self._curve, None
        if curve is not None:
            curve.finish()


def wandb_folder(run: RunConfig) -> str:
    """The folder in which runs that are not synchronized lie, below `wandb`."""
    return run.checkpoint.root
