"""A data set in the run config: the files of its records, how records become documents, and which documents are used."""

import datetime
from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.questions import Questions

Kind = Literal["text", "chat", "vision", "qa"]
QA_VERSION = 5
"""The first contract version whose programs know data sets of kind qa."""
OnBadRecord = Literal["fail", "skip"]
Overlong = Literal["split", "truncate", "skip", "fail"]
ContentHash = Annotated[str, Field(min_length=16, max_length=16, pattern=r"^[0-9a-f]{16}$")]
"""The first 16 hexadecimal digits of the SHA-256 of a data set's documents."""


class Chat(Contract):
    """Encoding of conversations. Only the assistant's messages count in the loss."""

    template: Literal["lwm", "tokenizer"] = "lwm"
    """Chat template. lwm: `You are a helpful assistant. USER: … ASSISTANT: …`, each answer ends with `</s>`. tokenizer: the template in
    `chat_template.jinja` or `tokenizer_config.json` beside the tokenizer. It may mark the assistant's messages with `{% generation %}`."""
    messages_field: Annotated[str, Field(min_length=1, max_length=64)] = "messages"
    """Record field with the messages: a list of objects with `role` (system, user or assistant) and `content`. The template of
    the tokenizer gets all their keys, and the record's `tools` and `documents`."""
    date: datetime.date = datetime.date(2026, 1, 1)
    """Date for templates that ask for today's (`strftime_now`): it is the same on every host and in every attempt."""


class Frames(Contract):
    """Encoding of lists of vision codes."""

    tokens_per_frame: Annotated[int, Field(ge=1, le=65536)] = 256
    """Codes per frame. A list that does not divide into whole frames is a bad record."""
    codebook_size: Annotated[int, Field(ge=1, le=1_048_574)] = 8192
    """Number of codes. The next two tokens of the vision vocabulary are end of frame and end of vision: 8192 and 8193 by default, as in
    LWM."""
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Maximum number of frames per field. Of more frames, this many are kept, evenly spaced. Default: no limit.",
    )
    unconditional: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability of dropping everything but the vision tokens, for documents whose vision tokens count in the loss (classifier-free
    guidance)."""


class Media(Contract):
    """Pictures and clips, as files beside the records or within them. Their codes are the field `vision` of the field line."""

    tokenizer: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^(gs://[^/\s]+/|[^/\s])[^\s]*\.safetensors$")]
    """File of the vision tokenizer, as `lwm vision import` or `lwm vision train` writes it: `gs://bucket/path`, or a path below the folder
    of the records."""
    field: Annotated[str, Field(min_length=1, max_length=64)] = "media"
    """Record field with a picture (PNG, JPEG, WebP, GIF) or clip (MP4, WebM, Matroska): a path relative to the record's file, bytes, or
    `{bytes, path}` as Hugging Face's image columns; or with a list of pictures, which is a clip."""
    frames_per_second: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Frames of a second of a clip: those on display at these moments. A list of pictures has no times: all of them are frames. Of more
    than frames.maxFrames, this many are kept, evenly spaced."""


class Documents(Contract):
    """Selection of documents by length, in tokens. It does not change the prepared token store."""

    min_tokens: Annotated[int, Field(ge=1, le=1_073_741_824)] = 1
    """Minimum length. Shorter documents are left out and counted."""
    max_tokens: Annotated[int, Field(ge=1, le=1_073_741_824)] | None = Field(
        default=None, description="Maximum length. Longer documents are left out and counted. Default: no limit."
    )
    overlong: Overlong | None = Field(
        default=None,
        description="Handling of documents longer than a row. split: cut into examples of at most a row. truncate: keep the first row."
        " skip: leave the document out and count it. fail: the stage fails with file and line. Default: split where all text counts in the"
        " loss; skip for chats, vision, and fields in brackets, because a cut would part an answer from its evidence, or a frame.",
    )


class Dataset(Contract):
    """A source of documents, or its prepared token store."""

    name: str
    kind: Kind = "text"
    uri: str
    """`gs://bucket/path` or an absolute path: a file, a folder with all below it, or a pattern with `*`."""
    fields: Annotated[str, Field(min_length=1, max_length=1024)] = "text"
    """Fields of a record that make a document, in LWM's notation: see `lwm_trainer.data.encoding.field_language`."""
    fields_from_example: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Record field that holds the value for `fields`, or a list of up to 4 values, which take turns from epoch to epoch."""
    chat: Chat = Chat()
    frames: Frames = Frames()
    media: Media | None = None
    """Files whose codes are made in preparation; None: vision fields hold ready codes."""
    qa: Questions | None = None
    """How questions are made of documents, in preparation; for kind qa only."""
    documents: Documents = Documents()
    on_bad_record: OnBadRecord = "fail"
    """Handling of a record that makes no document. fail: the stage fails with file and line. skip: the record is left out and counted."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of the mixture, relative to the weights of the other data sets."""
    accept_change_to: ContentHash | None = None
    """Hash of a content that may replace that of the stage's checkpoints; None: a stage is resumed with unchanged data only."""
    prepared: str | None = None
    """Folder of the token store; None: every host reads and encodes the records at startup."""

    @property
    def is_drawn(self) -> bool:
        """Whether draws decide what a record becomes, so that it may be another example in another epoch."""
        return self.fields_from_example is not None or self.frames.unconditional > 0

    @property
    def overlong(self) -> Overlong:
        """`documents.overlong` with its default filled in."""
        whole = self.kind != "text" or self.fields_from_example is not None or "[" in self.fields
        return self.documents.overlong or ("skip" if whole else "split")
