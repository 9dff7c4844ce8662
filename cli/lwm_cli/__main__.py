"""`lwm COMMAND` runs a command. Commands are imported late, so that each needs only its own libraries."""

import sys

from lwm_trainer.config.command_line import version
from lwm_trainer.config.extras import require_extra

USAGE = """usage: lwm COMMAND | --help | --version

  train FILE.yaml  train on this machine, without Kubernetes: processes for pods, the same stages, status and results
  status, suspend, resume, events
                   look at trainings and steer them, in a folder of lwm train or in a cluster
  sample CHECKPOINT
                   what a trained model writes after a prompt, text or pictures
  chat CHECKPOINT  talk with a trained model
  serve CHECKPOINT a trained model over HTTP, for clients of OpenAI's API
  eval SUITE CHECKPOINT
                   what a trained model does with long contexts: needles, RULER, MRCR and others
  report TARGET    one HTML file about a training or a checkpoint: how it went, what it can do, how to do it again
  fit FILE.yaml    compile each stage of an LWMTraining without its accelerator: does it fit, and how fast will it be?
  data ...         prepare data sets on this machine, and show rows as readable text
  convert ...      convert checkpoints from and to Hugging Face, and from LWM
  vision ...       tokenizers for pictures and clips: import or train one, encode files, decode codes

Run `lwm COMMAND --help` for its options."""


INTERRUPTED = 130
"""Exit code of a command that SIGINT ended, as shells have it."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 on success, 1 for a negative result, 2 for wrong arguments, 130 after Ctrl-C."""
    try:
        return run_command(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # also while libraries are imported, which takes seconds
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def run_command(arguments: list[str]) -> int:
    """Import and run the command that is named first; returns its exit code."""
    match arguments:
        case ["fit", *rest]:
            require_extra("lwm fit", "fit", "jax", "matplotlib", "cel")
            from lwm_cli.fit import main as fit

            return fit(rest)
        case ["train", *rest]:
            require_extra("lwm train", "local", "jax", "orbax", "rich", "structlog", "cel")
            from lwm_cli.train import main as train

            return train(rest)
        case ["sample", *rest]:
            require_extra("lwm sample", "local", "jax", "orbax", "click")
            from lwm_cli.sample import main as sample

            return sample(rest)
        case ["chat", *rest]:
            require_extra("lwm chat", "local", "jax", "orbax", "click")
            from lwm_cli.chat import main as chat

            return chat(rest)
        case ["serve", *rest]:
            require_extra("lwm serve", "serve", "jax", "orbax", "click", "starlette", "uvicorn")
            from lwm_cli.serve import main as serve

            return serve(rest)
        case ["eval", *rest]:
            require_extra("lwm eval", "local", "jax", "orbax", "click")
            from lwm_cli.evaluate.command import main as evaluate

            return evaluate(rest)
        case ["report", *rest]:
            require_extra("lwm report", "local", "jax", "orbax", "click", "jinja2")
            from lwm_cli.report.command import main as report

            return report(rest)
        case [("status" | "suspend" | "resume" | "events") as name, *rest]:
            require_extra(f"lwm {name}", "local", "click", "rich")
            from lwm_cli.manage import main as manage

            return manage(name, rest)
        case ["data", *rest]:
            require_extra("lwm data", "local", "numpy", "pyarrow", "tokenizers", "cel")
            from lwm_cli.data import main as data

            return data(rest)
        case ["convert", *rest]:
            require_extra("lwm convert", "trainer", "jax", "orbax", "safetensors")
            from lwm_trainer.convert.__main__ import main as convert

            return convert(rest)
        case ["vision", *rest]:
            require_extra("lwm vision", "vision", "av", "jax", "PIL", "safetensors")
            from lwm_trainer.vision.__main__ import main as vision

            return vision(rest)
        case ["-h" | "--help"]:
            print(USAGE)
            return 0
        case ["--version"]:
            print(f"lwm {version()}")
            return 0
        case _:
            print(USAGE, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
