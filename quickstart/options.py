"""The command line of the quickstart. What concerns other people's clusters is read from LWM_* variables, too, which the Makefile sets."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "quickstart.yaml"

ELSEWHERE = {
    "context": "run on the cluster of this kubectl context instead of the embedded one",
    "namespace": "of the training there (default: default), made where it is missing",
    "image-load": "shell command that gives one image to the cluster, with IMAGE and ARCHIVE set; run once for each of two",
    "image-registry": "prefix of both images' names, such as reg.example/x, for a hook that pushes",
    "images-loaded": "tag under which both images are there already: nothing is built, the hook is not run",
    "storage-class": "of the claim that data and checkpoints go to (default: the cluster's own default)",
    "access-mode": "of that claim: ReadWriteOnce keeps all pods on one node (default), ReadWriteMany does not",
    "bucket": "gs://name: a real bucket instead of the claim",
}
_DEFAULTS = {"namespace": "default", "access-mode": "ReadWriteOnce"}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; `bucket` without its gs://."""
    parser = argparse.ArgumentParser(prog="quickstart", description="From nothing to a finished training: images, operator, data, picture.")
    parser.add_argument("--name", default="lwm-quickstart", help="of the embedded cluster (default: %(default)s)")
    parser.add_argument("--example", type=Path, default=EXAMPLE, help="the training, with its data in gs:// (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="follow the training that is already there instead of starting anew")
    parser.add_argument("--timeout", type=float, default=30, metavar="MINUTES", help="for the training (default: %(default)g)")
    group = parser.add_argument_group("other people's clusters")
    for name, text in ELSEWHERE.items():
        variable = f"LWM_{name.replace('-', '_').upper()}"
        group.add_argument(f"--{name}", default=os.environ.get(variable) or _DEFAULTS.get(name, ""), help=text)
    options = parser.parse_args(arguments)
    if options.access_mode not in ("ReadWriteOnce", "ReadWriteMany"):
        parser.error(f"ACCESS_MODE={options.access_mode}: must be ReadWriteOnce or ReadWriteMany")
    if options.bucket:
        name = options.bucket.removeprefix("gs://")
        if name == options.bucket or "/" in name:
            parser.error(f"BUCKET={options.bucket}: must be gs:// and the bucket's name, without a folder")
        options.bucket = name
    given = [name for name in ELSEWHERE if name != "context" and getattr(options, name.replace("-", "_")) != _DEFAULTS.get(name, "")]
    if given and not options.context:
        words = ", ".join(name.replace("-", "_").upper() for name in given)
        parser.error(f"{words} is for other people's clusters: say CONTEXT=<kubectl context>, too")
    return options
