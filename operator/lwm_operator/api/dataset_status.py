"""One prepared data set in the status of an LWMTraining."""

from enum import StrEnum

from lwm_operator.api.resource import Resource
from lwm_operator.api.status_texts import Path, Sentence, Short


class DatasetState(StrEnum):
    PENDING = "Pending"
    PREPARING = "Preparing"
    READY = "Ready"
    FAILED = "Failed"


class DatasetStatus(Resource):
    """Progress of the preparation of one data set."""

    name: Short
    """Name of the data set in spec.datasets."""
    state: DatasetState = DatasetState.PENDING
    """State of the preparation. Pending: no worker has started. Failed: stopped until spec.resume is raised."""
    run: int = 0
    """Number of the preparation, part of the Job's name: spec.resume at first, a greater one whenever the data set is prepared again."""
    shards: int = 0
    """Number of shards; 0 while they are being counted."""
    shards_done: int = 0
    """Number of completed shards."""
    documents: int = 0
    """Number of encoded documents, over all workers."""
    tokens: int = 0
    """Number of tokens of these documents."""
    bytes_per_second: Short | None = None
    """Read rate of source data over all workers in bytes per second, rounded to an integer."""
    eta_seconds: int | None = None
    """Estimated seconds until all shards are completed."""
    skipped: int = 0
    """Number of skipped records, which made no document."""
    first_skipped: Sentence | None = None
    """Error of the first skipped record, with file and line."""
    questions: Sentence | None = None
    """Questions of kind qa: how many are kept, and how many each filter dropped, such as `kept 812, duplicate 3`."""
    path: Path | None = None
    """Folder of the prepared token store; set when the state is Ready."""
    reason: Short = ""
    """Reason of the state in one word: docs/reasons.md."""
    message: Sentence = ""
    """Progress, what the pods wait for, or why the preparation failed."""
