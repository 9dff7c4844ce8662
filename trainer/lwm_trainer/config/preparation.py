"""What preparation workers run with and what they report: the contract of `lwm_trainer.preparation`."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import CONTRACT_VERSION, Contract
from lwm_trainer.config.dataset import Dataset
from lwm_trainer.config.gang import Lease


class PrepareConfig(Contract):
    """All that the workers of one data set run with: mounted at `CONFIG_PATH`, as a run config is. A worker's index is
    `PROCESS_INDEX_VARIABLE`."""

    version: Literal[1] = CONTRACT_VERSION
    training: str
    dataset: Dataset
    tokenizer: str
    """`gs://` or absolute path of a `tokenizer.json`."""
    vocab_size: Annotated[int, Field(ge=16)]
    """Of the model's text vocabulary."""
    vision_vocab_size: Annotated[int, Field(ge=16)] | None = None
    """Of the model's vision vocabulary; None: it has none."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Of what is drawn by a record's number: its field line, unconditional examples."""
    root: str
    """Below it, a data set lies in a folder named by a hash of all that decides its content: equal ones are shared."""
    workers: Annotated[int, Field(ge=1, le=4096)]
    lease: Lease | None = None
    """That worker 0 renews; None outside Kubernetes."""


class Prepared(Contract):
    """A data set that is ready."""

    uri: str
    """The folder of its token store: what `Dataset.prepared` names."""
    documents: int
    tokens: int
    skipped: int = 0
    """Records that made no example."""


class Preparation(Contract):
    """What worker 0 reports in `PROGRESS_ANNOTATION` of the Lease, at most 2 KiB of JSON."""

    shards: int = 0
    """Of the data set; 0 while they are being counted."""
    shards_done: int = 0
    documents: int = 0
    """Encoded so far, by all workers."""
    tokens: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: float | None = None
    """Of source, all workers together, over the last minute or so."""
    eta_seconds: int | None = None
    skipped: int = 0
    first_skipped: str = ""
    """Why the first skipped record made no example, with its file and line."""
    prepared: Prepared | None = None
    """None until all is done."""
