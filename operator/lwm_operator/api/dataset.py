"""A data set: the files of its records, how records become documents, and whether it is encoded before the stages that use it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.pod_template import Resources
from lwm_operator.api.resource import Name, Resource
from lwm_operator.api.rules import guarded, rule
from lwm_operator.api.storage import Location
from lwm_trainer.config import FRAME_TOKENS, PAIR_TOKENS, Chat, ContentHash, Documents, Frames, Kind, Media, OnBadRecord, Questions

MAX_WORKERS = 1024

_FIXED = ("kind", "source", "fields", "chat", "frames", "documents", "onBadRecord")
_FIXED_OPTIONAL = ("fieldsFromExample", "media", "qa", "preparation")
FIXED_FIELDS = (*_FIXED, *_FIXED_OPTIONAL)
"""Fields of a data set that cannot change after creation."""
_UNCHANGED = " && ".join(
    [
        *(f"self.{field} == oldSelf.{field}" for field in _FIXED),
        *(
            f"(has(self.{field}) ? has(oldSelf.{field}) && self.{field} == oldSelf.{field} : !has(oldSelf.{field}))"
            for field in _FIXED_OPTIONAL
        ),
    ]
)


class Source(Location):
    """Files of a data set: `gs://bucket/folder`, a file or a pattern with `*` in a bucket, or a folder on a PersistentVolumeClaim."""

    files: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^/\s][^\s]*$")] | None = Field(
        default=None,
        description="File or pattern below uri or pvc, such as `1945/*.jsonl`. Default: all files of a "
        "known type; files that are neither data nor known to be no data are an error.",
    )


class Preparation(Resource):
    """Encodes the data set once, in separate pods, before the first stage that uses it. The token store is below `datasets/` in
    spec.checkpoint, and trainings with equal settings share it."""

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)]
    """Number of worker pods. Worker i of n encodes shards i, i + n, i + 2n and so on."""
    resources: Resources | None = Field(
        default=None, description="Resources of each worker pod. Default: requests of 250m CPU and 1Gi memory, and a limit of 2Gi memory."
    )
    accelerator: (
        Annotated[
            Accelerator,
            Field(
                json_schema_extra=guarded(
                    rule(
                        "(!has(self.cpu) || self.cpu.hosts == 1) && (!has(self.gpu) || self.gpu.hosts == 1)"
                        " && (!has(self.tpu) || self.tpu.slices == 1)",
                        "each worker is one host: set hosts or slices to 1, and preparation.workers to the number of hosts",
                    )
                )
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Accelerator of each worker pod, for `media`: one host, all devices of which encode. Default: CPUs.",
    )


class Dataset(Resource):
    """A source of documents. Stages refer to it by name."""

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
            rule(
                "!has(self.media) || (self.kind == 'vision' && has(self.preparation))",
                "media is for kind vision, and is encoded by a preparation: set kind: vision and preparation",
            ),
            rule(
                "!has(self.preparation) || !has(self.preparation.accelerator) || has(self.media)",
                "preparation.accelerator encodes media, and this data set has none: remove it or set media",
            ),
            rule(
                "(self.kind == 'qa') == has(self.qa) && (!has(self.qa) || has(self.preparation))",
                "qa is for kind qa, whose questions are made by a preparation: set kind: qa, qa and preparation together",
            ),
            rule(
                _UNCHANGED,
                "a data set cannot change after creation, except for acceptChangeTo: create a new LWMTraining instead",
            ),
        )
    )

    name: Name
    """Unique name of the data set, for stages[].mixture."""
    kind: Kind = "text"
    """Type of the records. text: text fields. chat: conversations. vision: text fields, and vision codes or files (`media`); it needs
    model.vision. qa: documents as for text, about which questions are made (`qa`)."""
    source: Source
    """Files of the data set: `.jsonl`, `.txt` (one record per file), both also as `.gz` or `.zst`, `.parquet`, a folder saved by Hugging
    Face `datasets`, or `.tar` of WebDataset."""
    fields: Annotated[str, Field(min_length=1, max_length=1024)] = "text"
    """Fields of a record that make a document, in LWM's notation: `[question],answer`. Fields in brackets do not count in the loss. A plain
    text file has one field, `text`."""
    fields_from_example: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description=(
            "Record field that holds the value for fields, or a list of up to 4 values, which take turns from epoch to epoch. "
            "It replaces fields."
        ),
    )
    chat: Chat = Chat()
    frames: Frames = Frames()
    media: Media | None = Field(
        default=None,
        description="Pictures and clips, beside the records or within them, encoded in preparation. Default: vision fields hold codes.",
    )
    qa: Annotated[
        Questions | None,
        Field(
            json_schema_extra=guarded(
                rule(
                    f"!has(self.chunkTokens) || self.tokens >= self.chunkTokens + {PAIR_TOKENS + FRAME_TOKENS}",
                    f"tokens must hold a chunk with its question, chunkTokens + {PAIR_TOKENS + FRAME_TOKENS}: raise tokens",
                )
            )
        ),
    ] = Field(default=None, description="Questions about the documents, made in preparation. Default: none; kind qa needs it.")
    documents: Annotated[
        Documents,
        Field(
            json_schema_extra=guarded(
                rule("!has(self.maxTokens) || self.maxTokens >= self.minTokens", "maxTokens must be at least minTokens: raise maxTokens")
            )
        ),
    ] = Documents()
    on_bad_record: OnBadRecord = "fail"
    """Handling of a record that makes no document. fail: the stage fails with file and line. skip: the record is left out and counted."""
    accept_change_to: ContentHash | None = Field(
        default=None,
        description="Hash of the content with which a stage continues although its checkpoint was trained with another content of this "
        "data set. The error message of reason DataChanged names it. Default: a stage is resumed with unchanged data only.",
    )
    preparation: Preparation | None = Field(
        default=None,
        description="Preparation before the first stage that uses the data set. Default: none; every host encodes the files at startup.",
    )
