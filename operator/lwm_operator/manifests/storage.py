"""Where things lie as the trainer sees them: `gs://` as it is, or a mount for a folder on a PVC."""

from lwm_operator.api.dataset import Dataset
from lwm_operator.api.spec import Spec
from lwm_operator.api.storage import Claim
from lwm_operator.manifests.common import Manifest

CHECKPOINT_PATH = "/lwm/checkpoint"
INIT_PATH = "/lwm/init"
TOKENIZER_PATH = "/lwm/tokenizer"
DATASET_PATH = "/lwm/datasets"

Mount = tuple[Claim, str, bool]
"""A claim, the path, and whether it is only read."""


def checkpoint_base(spec: Spec) -> str:
    return spec.checkpoint.uri or CHECKPOINT_PATH


def store_root(spec: Spec) -> str:
    """Below it lie the prepared data sets of all trainings that keep their checkpoints there."""
    return f"{checkpoint_base(spec).rstrip('/')}/datasets"


def init_path(spec: Spec) -> str | None:
    """Of the folder that holds the first stage's parameters; None: they are drawn from the seed."""
    place = spec.model.init_from
    if place is None:
        return None
    return place.uri.rstrip("/") if place.uri is not None else INIT_PATH


def tokenizer_path(spec: Spec) -> str:
    """Of the tokenizer.json; on a PVC it lies in the folder that subPath names."""
    return spec.tokenizer.uri or f"{TOKENIZER_PATH}/tokenizer.json"


def source_path(dataset: Dataset) -> str:
    """Of a folder, a file, or a pattern."""
    source = dataset.source
    place = source.uri or f"{DATASET_PATH}/{dataset.name}"
    return f"{place.rstrip('/')}/{source.files}" if source.files is not None else place


def mounts(spec: Spec) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of the claims that the spec names; each claim is one volume, only checkpoints are written."""
    wanted: list[Mount] = []
    if spec.checkpoint.pvc is not None:
        wanted.append((spec.checkpoint.pvc, CHECKPOINT_PATH, False))
    if spec.model.init_from is not None and spec.model.init_from.pvc is not None:
        wanted.append((spec.model.init_from.pvc, INIT_PATH, True))
    if spec.tokenizer.pvc is not None:
        wanted.append((spec.tokenizer.pvc, TOKENIZER_PATH, True))
    return _mounted([*wanted, *_sources(spec.datasets)])


def preparation_mounts(spec: Spec, dataset: Dataset) -> tuple[list[Manifest], list[Manifest]]:
    """The same for the workers that prepare the data set: the source and the tokenizer to read, the checkpoints' place to write below."""
    wanted = [(spec.checkpoint.pvc, CHECKPOINT_PATH, False)] if spec.checkpoint.pvc is not None else []
    if spec.tokenizer.pvc is not None:
        wanted.append((spec.tokenizer.pvc, TOKENIZER_PATH, True))
    return _mounted([*wanted, *_sources((dataset,))])


def _sources(datasets: tuple[Dataset, ...]) -> list[Mount]:
    return [(each.source.pvc, f"{DATASET_PATH}/{each.name}", True) for each in datasets if each.source.pvc is not None]


def _mounted(wanted: list[Mount]) -> tuple[list[Manifest], list[Manifest]]:
    claims = {claim.claim_name: f"claim-{number}" for number, claim in enumerate(dict.fromkeys(claim for claim, _, _ in wanted))}
    volumes = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for claim, volume in claims.items()]
    paths = [
        {
            "name": claims[claim.claim_name],
            "mountPath": path,
            "readOnly": read_only,
            **({"subPath": claim.sub_path} if claim.sub_path else {}),
        }
        for claim, path, read_only in wanted
    ]
    return volumes, paths
