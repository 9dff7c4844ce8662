"""Where things lie, and how stages mix data sets."""

from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import ClaimName, Name, Resource, SubPath, Uri
from lwm_operator.api.rules import guarded, rule


class Claim(Resource):
    """A folder on a PersistentVolumeClaim of the training's namespace (ReadWriteMany when there is more than one host)."""

    claim_name: ClaimName
    """Of a claim in the training's namespace; while it is not there, the pods stay pending."""
    sub_path: SubPath = ""
    """Folder on the claim, without a leading slash or dot. Empty: the claim's root."""


ONE_PLACE = rule("has(self.uri) != has(self.pvc)", "give exactly one of uri (gs://bucket/folder) and pvc (claimName, subPath)")


NO_PASSWORD = rule(
    "!has(self.endpoint) || !self.endpoint.contains('@')",
    "endpoint must name no user and no password, which everybody could read who may read the training: give http(s)://host:port",
)


class Location(Resource):
    """Where something lies: `gs://bucket/folder`, or a folder (or file) on a PVC."""

    model_config = ConfigDict(json_schema_extra=guarded(ONE_PLACE))

    uri: Uri | None = None
    """A bucket of Google Cloud Storage with the path in it; the pods' account needs to read it."""
    pvc: Claim | None = None


class Checkpoint(Resource):
    """Where the runs are kept: below it, each training writes into `<namespace>/<name>-<uid8>/` only."""

    model_config = ConfigDict(json_schema_extra=guarded(ONE_PLACE, NO_PASSWORD))

    uri: Uri | None = None
    """A bucket of Google Cloud Storage with the path in it; the pods' account needs to read and write it."""
    pvc: Claim | None = None
    endpoint: Annotated[str, Field(max_length=256, pattern=r"^https?://[^\s/]+$")] | None = Field(
        default=None,
        description="Of an emulator or a private endpoint of Google Cloud Storage, such as http://fake-gcs.lwm-storage.svc:4443.",
    )
    save_interval_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Steps between two commits; the last step of a stage is always committed."""
    max_to_keep: Annotated[int, Field(ge=1, le=100)] = 2
    """Newest commits of an attempt that stay."""


class Share(Resource):
    """One data set's share of a stage's mixture, relative to the others'."""

    dataset: Name
    """Name of one of datasets, each at most once."""
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """Relative to the other data sets of the stage."""
