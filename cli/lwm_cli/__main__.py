"""`lwm COMMAND` runs a command."""

import os
import sys

from lwm_cli.commands.root import lwm
from lwm_cli.commands.run import run

COMPLETION = "_LWM_COMPLETE"
"""Set by the shell's completion: `lwm` prints a script, or words that may follow."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 on success, 1 for a negative result, 2 for wrong arguments, 130 after Ctrl-C."""
    if arguments is None and COMPLETION in os.environ:
        lwm.main(prog_name="lwm", complete_var=COMPLETION)
    return run(lwm, "lwm", sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
