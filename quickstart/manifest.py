"""The example training as a file says it, and the same training on other storage."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]


def read(path: Path) -> Manifest:
    """The one training of the file."""
    found: Manifest = yaml.safe_load(path.read_text())
    return found


def on_claim(training: Manifest, claim: str, node_selector: dict[str, str] | None = None) -> Manifest:
    """The training with each `gs://bucket/folder` as the folder of that name on the claim; pods only where `node_selector` says."""
    found = deepcopy(training)
    spec = found["spec"]

    def place(uri: str) -> Manifest:
        folder = uri.removeprefix("gs://").partition("/")[2].removesuffix("/tokenizer.json")
        return {"pvc": {"claimName": claim, "subPath": folder}}

    spec["tokenizer"] = place(spec["tokenizer"]["uri"])
    for dataset in spec["datasets"]:
        dataset["source"] = place(dataset["source"]["uri"])
    spec["checkpoint"] = {name: value for name, value in spec["checkpoint"].items() if name not in ("uri", "endpoint")} | place(
        spec["checkpoint"]["uri"]
    )
    if node_selector:
        spec["podTemplate"] = {**spec.get("podTemplate", {}), "nodeSelector": node_selector}
    return found


def in_bucket(training: Manifest, bucket: str) -> Manifest:
    """The training with the folders of its bucket in another, which Google itself serves."""
    found = deepcopy(training)
    spec = found["spec"]
    for place in (spec["tokenizer"], spec["checkpoint"], *(dataset["source"] for dataset in spec["datasets"])):
        place["uri"] = f"gs://{bucket}/{place['uri'].removeprefix('gs://').partition('/')[2]}"
    del spec["checkpoint"]["endpoint"]
    return found
