"""From the run config to the trackers that it names, fed by one record."""

from collections.abc import Callable

import jax
import numpy as np

from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import RunConfig
from lwm_trainer.step.optimizer import learning_rate_schedule
from lwm_trainer.tracking.curves import Curves
from lwm_trainer.tracking.feed import Feed
from lwm_trainer.tracking.mlflow import MlflowTracker
from lwm_trainer.tracking.peak_flops import peak_flops
from lwm_trainer.tracking.tensorboard import TensorBoard
from lwm_trainer.tracking.tracker import Tracker
from lwm_trainer.tracking.wandb import WandbTracker


def start_feed(run: RunConfig, record: Record, committed: int, failed: Callable[[str], None]) -> Feed | None:
    """Start the run's trackers; None: it has none. They get the `committed` first steps of the record at once.

    `failed` is called with a tracker's name when it fails, from another thread.
    """
    trackers: list[Tracker] = []
    if run.trackers.tensorboard:
        trackers.append(TensorBoard(run))
    if run.trackers.wandb is not None:
        trackers.append(WandbTracker(run, run.trackers.wandb))
    if run.trackers.mlflow is not None:
        trackers.append(MlflowTracker(run, run.trackers.mlflow))
    if not trackers:
        return None
    rates = np.asarray(learning_rate_schedule(run.optimizer, run.steps)(np.arange(run.steps)), np.float32)
    feed = Feed(Curves(run, record, rates, peak_flops(jax.local_devices()[0].device_kind)), trackers, failed)
    feed.committed(committed)
    return feed
