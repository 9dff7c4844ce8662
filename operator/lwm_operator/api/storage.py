"""Storage locations: a bucket of Google Cloud Storage or a PersistentVolumeClaim."""

from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.names import CHECKPOINT_PATH
from lwm_operator.api.resource import ClaimName, Resource, SubPath, Uri
from lwm_operator.api.rules import guarded, rule


class Claim(Resource):
    """A folder on a PersistentVolumeClaim in the training's namespace. With more than one host, the claim must be ReadWriteMany."""

    claim_name: ClaimName
    """Name of a claim in the training's namespace. Until the claim exists, the pods stay pending."""
    sub_path: SubPath = ""
    """Folder on the claim, without a leading slash or dot. Default: the root of the claim."""


ONE_PLACE = rule("has(self.uri) != has(self.pvc)", "give exactly one of uri (gs://bucket/folder) and pvc (claimName, subPath)")


NO_PASSWORD = rule(
    "!has(self.endpoint) || !self.endpoint.contains('@')",
    "endpoint must contain no user and no password, because everyone who can read the training could read them: use http(s)://host:port",
)


class Location(Resource):
    """A folder or file: `gs://bucket/folder`, or a folder on a PersistentVolumeClaim."""

    model_config = ConfigDict(json_schema_extra=guarded(ONE_PLACE))

    uri: Uri | None = None
    """`gs://` address in Google Cloud Storage. The pods' service account needs read access."""
    pvc: Claim | None = None


class Checkpoint(Resource):
    """Location, frequency and number of checkpoints. A training writes checkpoints only below `<namespace>/<name>-<uid8>/`. Trainings share
    prepared data sets in `datasets/` and the compile cache in `compile-cache/`."""

    model_config = ConfigDict(json_schema_extra=guarded(ONE_PLACE, NO_PASSWORD))

    uri: Uri | None = None
    """`gs://` address in Google Cloud Storage. The pods' service account needs read and write access."""
    pvc: Claim | None = None
    endpoint: Annotated[str, Field(max_length=256, pattern=r"^https?://[^\s/]+$")] | None = Field(
        default=None,
        description="URL of an emulator or a private endpoint of Google Cloud Storage, such as http://fake-gcs.lwm-storage.svc:4443.",
    )
    save_interval_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Steps between two checkpoints. The last step of a stage is always saved."""
    save_interval_minutes: Annotated[int, Field(ge=1, le=10_080)] | None = Field(
        default=None,
        description="Minutes between two checkpoints, for steps that take long: the training saves at whichever of the two comes first. "
        "Losses, record and final state do not depend on it. Default: steps alone count.",
    )
    max_to_keep: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of newest checkpoints to keep, over all attempts of a stage."""
    continue_run: Annotated[str, Field(max_length=1024, pattern=r"^(gs:/)?/[^\s]+$")] | None = Field(
        default=None,
        description="Folder of an earlier run of this training (its status.runRoot). Each stage continues from the newest checkpoint there "
        "until it has one of its own. An error if the first stage has none there. Default: none, a new run.",
    )

    @property
    def base(self) -> str:
        """The folder of all checkpoints, as the pods see it."""
        return self.uri or CHECKPOINT_PATH
