"""`kubectl lwm`: the commands of `lwm` that look at trainings and steer them, as a plug-in that kubectl finds in PATH as `kubectl-lwm`."""

import sys

from lwm_cli.commands.root import plugin
from lwm_cli.commands.run import run


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code, as `lwm` has it."""
    return run(plugin, "kubectl lwm", sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
