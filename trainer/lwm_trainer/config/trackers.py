"""Where a training's curves go, beside the metrics of the process and the record in its checkpoints."""

from lwm_trainer.config.contract import Contract


class Trackers(Contract):
    """Trackers that show the training's curves. They get committed steps only, and one that cannot be reached delays nothing."""

    tensorboard: bool = False
    """True: event files for TensorBoard in the folder `tensorboard` of the run, one curve per stage."""
