"""A data set: where its records lie, how they become examples, and whether that is done before the stages that draw on it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.pod_template import Resources
from lwm_operator.api.resource import Name, Resource
from lwm_operator.api.rules import guarded, rule
from lwm_operator.api.storage import Location
from lwm_trainer.config import Chat, Documents, Frames, Kind, OnBadRecord

MAX_WORKERS = 1024


class Source(Location):
    """Where the files of a data set lie: `gs://bucket/folder` (or one file, or a pattern with `*`), or a folder on a PVC."""

    files: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^/\s][^\s]*$")] | None = Field(
        default=None, description="Which files below the place: one, or a pattern such as `1945/*.jsonl`. Default: all that can be read."
    )


class Preparation(Resource):
    """Pods of their own encode the data set before the first stage that draws on it. What they write lies below `spec.checkpoint` in
    `datasets/`, and is shared by all trainings there that ask for the same."""

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)]
    """Pods; each takes every so-manieth shard of the files."""
    resources: Resources | None = Field(
        default=None, description="Of each pod. Default: requests of 250m of cpu and 1Gi of memory, a limit of 2Gi of memory."
    )


class Dataset(Resource):
    """A source of examples that stages draw on by name."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule(
                "!has(self.fieldsFromExample) || self.fields == 'text'",
                "give fields or fieldsFromExample, not both: remove one of them",
            ),
            rule(
                "self.kind != 'chat' || (self.fields == 'text' && !has(self.fieldsFromExample))",
                "a chat is read from chat.messagesField: remove fields and fieldsFromExample, or use another kind",
            ),
        )
    )

    name: Name
    """What stages[].mixture calls it."""
    kind: Kind = "text"
    """text: fields of text. chat: conversations. vision: fields of text and of vision codes; the model needs `vision`."""
    source: Source
    """Its files: `.jsonl`, `.txt` (one record a file), `.parquet`, or a folder that Hugging Face's `datasets` saved."""
    fields: Annotated[str, Field(min_length=1, max_length=1024)] = "text"
    """Which fields of a record make an example, and which count in the loss (not those in brackets), in LWM's words: `[question],answer`.
    A plain text file has one, `text`."""
    fields_from_example: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="The record's own field that holds its field line, or a list of them of which one is drawn; instead of fields.",
    )
    chat: Chat = Chat()
    frames: Frames = Frames()
    documents: Annotated[
        Documents,
        Field(
            json_schema_extra=guarded(
                rule("!has(self.maxTokens) || self.maxTokens >= self.minTokens", "maxTokens must be at least minTokens: raise it")
            )
        ),
    ] = Documents()
    on_bad_record: OnBadRecord = "fail"
    """What becomes of a record that makes no example. fail: the stage ends with its file and line. skip: it is counted and reported."""
    preparation: Preparation | None = Field(
        default=None, description="Default: none; every host of a stage reads and encodes the files while it starts."
    )
