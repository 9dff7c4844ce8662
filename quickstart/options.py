"""The command line of the quickstart. Options for external clusters are also read from LWM_* variables, which the Makefile sets."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "quickstart.yaml"

EXTERNAL_OPTIONS = {
    "context": "run on the cluster of this kubectl context instead of the embedded one",
    "namespace": "namespace of the training there (default: default), created where it is missing",
    "image-load": "shell command that loads one image into the cluster, with IMAGE and ARCHIVE set; runs once per image",
    "image-registry": "prefix of both images' names, such as reg.example/x, for an image-load command that pushes",
    "images-loaded": "tag of both images where the cluster has them already: nothing is built or loaded",
    "storage-class": "class of the claim that holds data and checkpoints (default: the cluster's own default)",
    "access-mode": "access mode of that claim: ReadWriteOnce keeps all pods on one node (default), ReadWriteMany does not",
    "bucket": "gs://name: a real bucket instead of the claim",
}
_DEFAULTS = {"namespace": "default", "access-mode": "ReadWriteOnce"}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; `bucket` without its gs://."""
    parser = argparse.ArgumentParser(
        prog="quickstart", description="Build the images, install the operator, train the example and plot its loss."
    )
    parser.add_argument("--name", default="lwm-quickstart", help="name of the embedded cluster (default: %(default)s)")
    parser.add_argument("--example", type=Path, default=EXAMPLE, help="the training, with its data in gs:// (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="follow the training that exists already instead of starting a new one")
    parser.add_argument("--local", action="store_true", help="train with processes of this machine, without any cluster")
    parser.add_argument("--timeout", type=float, default=30, metavar="MINUTES", help="time limit of the training (default: %(default)g)")
    group = parser.add_argument_group("external clusters")
    for name, text in EXTERNAL_OPTIONS.items():
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
    chosen = [
        name for name in EXTERNAL_OPTIONS if name != "context" and getattr(options, name.replace("-", "_")) != _DEFAULTS.get(name, "")
    ]
    if chosen and not options.context:
        words = ", ".join(name.replace("-", "_").upper() for name in chosen)
        parser.error(f"{words} is for external clusters: set CONTEXT=<kubectl context>, too")
    if options.local and options.context:
        parser.error("LOCAL=1 and CONTEXT exclude each other: leave one out")
    return options
