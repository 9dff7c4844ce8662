"""Where a training's curves go, beside the metrics of the process and the record in its checkpoints."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract

SECRET_VARIABLES = ("WANDB_API_KEY", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")
"""Variables by which the trackers' libraries take secrets."""


class Wandb(Contract):
    """A project of Weights & Biases. The trainer's image needs its package."""

    project: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\\#?%:\s]+$")]
    """Name of the project."""
    entity: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\\#?%:\s]+$")] | None = Field(
        default=None, description="User or team to which the project belongs. Default: that of the API key."
    )
    mode: Literal["online", "offline"] = "online"
    """online: to the server, with the variable WANDB_API_KEY. offline: into the folder `wandb` of the run, for `wandb sync`;
    not to a bucket."""


class Mlflow(Contract):
    """A server of MLflow. The trainer's image needs its package."""

    uri: Annotated[str, Field(max_length=256, pattern=r"^https?://[^\s@]+$")]
    """Address of the tracking server, without a user or password: those are the variables MLFLOW_TRACKING_*."""
    experiment: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^'\s]+$")] = "lwm"
    """Name of the experiment; it is created if it does not exist."""


class Trackers(Contract):
    """Trackers that show the training's curves. They get committed steps only, and one that cannot be reached delays nothing."""

    tensorboard: bool = False
    """True: event files for TensorBoard in the folder `tensorboard` of the run, one curve per stage."""
    wandb: Wandb | None = Field(default=None, description="Weights & Biases, one run per stage. Default: none.")
    mlflow: Mlflow | None = Field(default=None, description="MLflow, one run per stage. Default: none.")
