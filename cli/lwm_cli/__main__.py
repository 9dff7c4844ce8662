"""`lwm COMMAND`: dispatches to the command, imported late, so that each needs its own libraries only."""

import sys

from lwm_trainer.config.extras import require_extra

USAGE = """usage: lwm COMMAND

  fit FILE.yaml    does each stage of an LWMTraining fit its accelerator, and how fast will it be: compiled without one
  data ...         data sets prepared on this machine, and rows shown as people can read them
  convert ...      checkpoints from and to Hugging Face and LWM

`lwm COMMAND --help` says more."""


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 well, 1 an answer that is no, 2 a question that makes no sense."""
    given = sys.argv[1:] if arguments is None else arguments
    match given:
        case ["fit", *rest]:
            require_extra("lwm fit", "fit", "jax", "matplotlib")
            from lwm_cli.fit import main as fit

            return fit(rest)
        case ["data", *rest]:
            require_extra("lwm data", "trainer", "numpy", "pyarrow", "tokenizers")
            from lwm_cli.data import main as data

            return data(rest)
        case ["convert", *rest]:
            require_extra("lwm convert", "trainer", "jax", "orbax", "safetensors")
            from lwm_trainer.convert.__main__ import main as convert

            return convert(rest)
        case ["-h" | "--help"]:
            print(USAGE)
            return 0
        case _:
            print(USAGE, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
