"""Paths as the trainer sees them: a `gs://` address as it is, or the mount path of a folder on a PVC. Volumes and mounts of the PVCs."""

from lwm_operator.api.dataset import Dataset
from lwm_operator.api.names import CHECKPOINT_PATH, INIT_PATH
from lwm_operator.api.spec import Spec
from lwm_operator.api.storage import Claim
from lwm_operator.manifests.common import Manifest

TOKENIZER_PATH = "/lwm/tokenizer"
DATASET_PATH = "/lwm/datasets"

Mount = tuple[Claim, str, bool]
"""A claim, its mount path, and whether the mount is read-only."""


def store_root(spec: Spec) -> str:
    """The folder of prepared data sets. All trainings with the same checkpoint location share it."""
    return f"{spec.checkpoint.base.rstrip('/')}/datasets"


def tokenizer_path(spec: Spec) -> str:
    """The path of tokenizer.json. On a PVC, the file is in the folder that subPath names."""
    return spec.tokenizer.uri or f"{TOKENIZER_PATH}/tokenizer.json"


def source_path(dataset: Dataset) -> str:
    """The path of a folder or a file, or a pattern."""
    source = dataset.source
    folder = source.uri or f"{DATASET_PATH}/{dataset.name}"
    return f"{folder.rstrip('/')}/{source.files}" if source.files is not None else folder


def mounts(spec: Spec) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of the claims that the spec names: one volume per claim. Only the mount for checkpoints is writable."""
    claim_mounts: list[Mount] = []
    if spec.checkpoint.pvc is not None:
        claim_mounts.append((spec.checkpoint.pvc, CHECKPOINT_PATH, False))
    if spec.model.init_from is not None and spec.model.init_from.pvc is not None:
        claim_mounts.append((spec.model.init_from.pvc, INIT_PATH, True))
    if spec.tokenizer.pvc is not None:
        claim_mounts.append((spec.tokenizer.pvc, TOKENIZER_PATH, True))
    return _volumes_and_mounts([*claim_mounts, *_sources(spec.datasets)])


def preparation_mounts(spec: Spec, dataset: Dataset) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of the workers that prepare the data set: source and tokenizer read-only, the checkpoint folder writable."""
    claim_mounts = [(spec.checkpoint.pvc, CHECKPOINT_PATH, False)] if spec.checkpoint.pvc is not None else []
    if spec.tokenizer.pvc is not None:
        claim_mounts.append((spec.tokenizer.pvc, TOKENIZER_PATH, True))
    return _volumes_and_mounts([*claim_mounts, *_sources((dataset,))])


def _sources(datasets: tuple[Dataset, ...]) -> list[Mount]:
    return [(dataset.source.pvc, f"{DATASET_PATH}/{dataset.name}", True) for dataset in datasets if dataset.source.pvc is not None]


def _volumes_and_mounts(claim_mounts: list[Mount]) -> tuple[list[Manifest], list[Manifest]]:
    claims = {claim.claim_name: f"claim-{number}" for number, claim in enumerate(dict.fromkeys(claim for claim, _, _ in claim_mounts))}
    volumes = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for claim, volume in claims.items()]
    volume_mounts = [
        {
            "name": claims[claim.claim_name],
            "mountPath": path,
            "readOnly": read_only,
            **({"subPath": claim.sub_path} if claim.sub_path else {}),
        }
        for claim, path, read_only in claim_mounts
    ]
    return volumes, volume_mounts
