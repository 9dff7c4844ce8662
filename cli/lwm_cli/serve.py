"""`python -m lwm_cli.serve CHECKPOINT`: `lwm serve` in the trainer's image, which has no other command."""

import sys

from lwm_cli.commands.run import run
from lwm_cli.commands.serve import serve

if __name__ == "__main__":
    sys.exit(run(serve, "lwm serve", sys.argv[1:]))
