"""`lwm data prepare`, `lwm data inspect` and `lwm data sample`."""

import sys

from lwm_cli.training import FileError
from lwm_trainer.data.errors import DataError
from lwm_trainer.storage.errors import StorageError

USAGE = """usage: lwm data COMMAND

  prepare FILE.yaml --out ROOT    prepare the data sets of an LWMTraining as token stores, with processes of this machine
  inspect FILE.yaml|FOLDER        show a row as readable text: its documents, and which tokens count in the loss
  sample DIR                      write texts, a tokenizer and a small training to try: no bucket, no network

Run `lwm data COMMAND --help` for its options."""


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 on success, 1 for missing, denied or bad data, 2 for wrong arguments."""
    try:
        match arguments:
            case ["prepare", *rest]:
                from lwm_cli.data_prepare import main as prepare

                return prepare(rest)
            case ["inspect", *rest]:
                from lwm_cli.data_inspect import main as inspect

                return inspect(rest)
            case ["sample", *rest]:
                from lwm_cli.data_sample import main as sample

                return sample(rest)
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
