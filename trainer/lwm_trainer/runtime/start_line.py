"""The line by which each process says who it is, before it looks for the others."""

import json
import socket

from lwm_trainer.config import START_LINE_PREFIX, RunConfig
from lwm_trainer.config.command_line import version
from lwm_trainer.runtime import console


def print_start_line(run: RunConfig, index: int) -> None:
    """Print the prefix and JSON: version, training, this process of how many, coordinator, mesh, and the devices that the spec promises."""
    gang = run.gang
    about = {
        "version": version(),
        "contract": run.version,
        "training": run.training,
        "stage": run.stage,
        "attempt": run.attempt,
        "host": socket.gethostname(),
        "process": index,
        "processes": gang.hosts,
        "slices": gang.slices,
        "coordinator": gang.coordinator,
        "mesh": run.mesh.model_dump(by_alias=True, exclude_none=True),
        "platform": gang.platform,
        "devicesPerHost": gang.devices_per_host,
    }
    console.say(f"{START_LINE_PREFIX}{json.dumps(about)}")
