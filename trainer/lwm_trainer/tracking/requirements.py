"""What a run's trackers need of the image and its variables, looked at before anything expensive is done."""

import os
from importlib.util import find_spec

from lwm_trainer.config import ExitCode, RunConfig


class TrackerConfigError(Exception):
    """A tracker that is asked for cannot work here."""

    code = ExitCode.BAD_CONFIG


def require_trackers(run: RunConfig) -> None:
    """Raises TrackerConfigError for a tracker without its package, without its key, or without a place for its files."""
    for name in ("wandb", "mlflow"):
        if getattr(run.trackers, name) is not None and find_spec(name) is None:
            raise TrackerConfigError(
                f"trackers.{name}: the package {name} is not in this image: build it with --build-arg TRACKERS={name} "
                f"(outside of images: pip install 'lwm-operator[{name}]'), or leave trackers.{name} out"
            )
    settings = run.trackers.wandb
    if settings is None:
        return
    if settings.mode == "offline" and run.checkpoint.root.startswith("gs://"):
        raise TrackerConfigError(
            "trackers.wandb.mode: offline writes on a file system, and checkpoint.uri is a bucket: use checkpoint.pvc, or mode online"
        )
    if settings.mode == "online" and not os.environ.get("WANDB_API_KEY"):
        raise TrackerConfigError(
            "trackers.wandb: the variable WANDB_API_KEY is not set: give it in podTemplate.env by valueFrom.secretKeyRef (without "
            "Kubernetes: in your shell), or use mode offline"
        )
