"""The identity of a stage's data: what decides its batches beside seed and tokenizer, as checkpoints keep it."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.dataset import ContentHash, Documents


class AcceptedChange(Contract):
    """A change of a data set within a stage, which `acceptChangeTo` of the data set accepted."""

    dataset: Annotated[str, Field(max_length=64)]
    """Name of the data set."""
    step: int
    """Step from which the stage continued with the new content."""
    previous: ContentHash
    """Hash of the content before the change."""
    content: ContentHash
    """Hash of the content after it."""


class DatasetIdentity(Contract):
    """What one data set contributes to the batches of a stage."""

    source: str
    """Address of the files. It may change: only the content decides."""
    content: ContentHash
    """Hash of the documents: of their tokens and masks, or of what a token store was made from."""
    documents: int
    tokens: int
    begin_id: int | None = None
    """Id of the token that begins each document; None, like `end_id`, in checkpoints of older versions."""
    end_id: int | None = None
    """Id of the token that ends each document."""
    weight: float
    selection: Documents
    accepted: tuple[AcceptedChange, ...] = ()
    """Changes of the content within this stage, oldest first."""

    def __str__(self) -> str:
        return f"{self.documents:,} documents, {self.tokens:,} tokens, content {self.content}"


DataIdentity = dict[str, DatasetIdentity]
"""By name of the data set, in the order of the run config."""
