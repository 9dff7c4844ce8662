"""Trainings in Python: `lwm.Training` starts them, on this machine or in a cluster, waits for them, and reads what they left.

    import lwm

    training = lwm.Training.from_file("training.yaml", settings={"stages[0].steps": 10})
    training.apply()
    training.wait()
    training.record()

docs/guides/python.md is the guide.
"""

from lwm_cli.errors import CommandError as Error
from lwm_cli.errors import FileError, PlaceError
from lwm_cli.python_api.training import Cluster, StoppedError, Training
from lwm_cli.python_api.views import Checkpoint, Event, Step

__all__ = ["Checkpoint", "Cluster", "Error", "Event", "FileError", "PlaceError", "Step", "StoppedError", "Training"]
