"""Config and report of preparation workers: the contract of `lwm_trainer.preparation`."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract, VersionedRecord
from lwm_trainer.config.dataset import Dataset
from lwm_trainer.config.gang import Gang, Lease


class PrepareConfig(VersionedRecord):
    """Config of the workers of one data set, mounted at `CONFIG_PATH` like a run config. `PROCESS_INDEX_VARIABLE` is a worker's index."""

    training: str
    dataset: Dataset
    tokenizer: str
    """`gs://` or absolute path of a `tokenizer.json`."""
    vocab_size: Annotated[int, Field(ge=16)]
    """Size of the model's text vocabulary."""
    vision_vocab_size: Annotated[int, Field(ge=16)] | None = None
    """Size of the model's vision vocabulary; None if it has none."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the draws per record: its fields line, and unconditional documents."""
    root: str
    """Folder of all prepared data sets. Each has a folder named by a hash of its settings and files, so that equal ones are shared."""
    workers: Annotated[int, Field(ge=1, le=4096)]
    host: Gang | None = None
    """The one host that each worker is, with the devices that encode pictures; None: on its CPUs."""
    lease: Lease | None = None
    """Lease that worker 0 renews; None outside Kubernetes."""


class Prepared(Contract):
    """A prepared data set."""

    uri: str
    """Folder of the token store, for `Dataset.prepared`."""
    documents: int
    tokens: int
    skipped: int = 0
    """Number of skipped records, which made no document."""
    questions: Annotated[dict[str, int], Field(default_factory=dict)]
    """Questions of kind qa: how many are kept, and how many each filter dropped."""


class Preparation(Contract):
    """Report of worker 0 in the Lease's `PROGRESS_ANNOTATION`, at most 2 KiB of JSON."""

    shards: int = 0
    """Number of shards; 0 while they are being counted."""
    shards_done: int = 0
    documents: int = 0
    """Number of encoded documents, over all workers."""
    tokens: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: float | None = None
    """Read rate of source data over all workers, over about the last minute."""
    eta_seconds: int | None = None
    frames: int = 0
    """Frames of pictures and clips that worker 0 has encoded."""
    frames_per_second: float | None = None
    """Those of worker 0 alone, over about the last minute; None for a data set without pictures and clips."""
    skipped: int = 0
    first_skipped: str = ""
    """Error of the first skipped record, with file and line."""
    questions: Annotated[dict[str, int], Field(default_factory=dict)]
    """Questions of kind qa: how many are kept so far, and how many each filter dropped."""
    prepared: Prepared | None = None
    """Result; None until all shards are completed."""
