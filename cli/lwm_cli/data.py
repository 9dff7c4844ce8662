"""`lwm data prepare` and `lwm data inspect`."""

import sys

from lwm_cli.training import FileError
from lwm_trainer.data.errors import DataError
from lwm_trainer.storage.errors import StorageError

USAGE = """usage: lwm data COMMAND

  prepare FILE.yaml --out ROOT    the data sets of an LWMTraining as token stores, by processes of this machine
  inspect FILE.yaml|PLACE         a row as people can read it: its documents, and which tokens count in the loss

`lwm data COMMAND --help` says more."""


def main(arguments: list[str]) -> int:
    """0: done; 1: the data is not as it should be, or not there; 2: the question makes no sense."""
    try:
        match arguments:
            case ["prepare", *rest]:
                from lwm_cli.data_prepare import main as prepare

                return prepare(rest)
            case ["inspect", *rest]:
                from lwm_cli.data_inspect import main as inspect

                return inspect(rest)
            case ["-h" | "--help"]:
                print(USAGE)
                return 0
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except FileError as error:
        print(error, file=sys.stderr)
        return 2
    except (DataError, StorageError) as error:
        print(error, file=sys.stderr)
        return 1
