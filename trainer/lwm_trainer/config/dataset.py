"""A data set as the trainer is told of it: where its records lie, how one becomes an example, and which examples rows are made of."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract

Kind = Literal["text", "chat", "vision"]
OnBadRecord = Literal["fail", "skip"]


class Chat(Contract):
    """How a conversation becomes tokens; only what the assistant says counts in the loss."""

    template: Literal["lwm", "tokenizer"] = "lwm"
    """lwm: `You are a helpful assistant. USER: … ASSISTANT: …`, each answer ended by `</s>`. tokenizer: the chat template that Hugging
    Face saves beside the tokenizer, which must mark what the assistant says by `{% generation %}`."""
    messages_field: Annotated[str, Field(min_length=1, max_length=64)] = "messages"
    """Of a record: a list of objects with `role` (system, user or assistant) and `content`."""


class Frames(Contract):
    """How lists of vision codes become tokens."""

    tokens_per_frame: Annotated[int, Field(ge=1, le=65536)] = 256
    """Codes of one frame. A tail shorter than a frame is a bad record."""
    codebook_size: Annotated[int, Field(ge=1, le=1_048_574)] = 8192
    """Size of the codebook. The vision vocabulary's two tokens after it are end of frame and end of vision, by default LWM's 8192 and
    8193."""
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Frames of one field: of more, so many are taken at even distances. Default: all."
    )
    unconditional: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the examples whose vision counts in the loss that lose all but it, so that the model learns what to be guided away from
    (classifier-free guidance)."""


class Documents(Contract):
    """Which examples of a data set rows are made of. Only lengths decide, so that data sets that differ here share what is prepared."""

    min_tokens: Annotated[int, Field(ge=1, le=1_073_741_824)] = 1
    """Shorter examples are left out and counted."""
    max_tokens: Annotated[int, Field(ge=1, le=1_073_741_824)] | None = Field(
        default=None, description="Longer examples are left out and counted. Default: none is too long."
    )
    overlong: Literal["split", "truncate", "skip", "fail"] = "split"
    """What becomes of an example that is longer than the row. split: rows' lengths and a rest, each a document of its own. truncate: its
    first row's length. skip: left out and counted. fail: the stage ends with the example's file and line."""


class Dataset(Contract):
    """A source of examples, or where they lie prepared."""

    name: str
    kind: Kind = "text"
    uri: str
    """`gs://bucket/path` or an absolute path: a file, a folder with all below it, or a pattern with `*`."""
    fields: Annotated[str, Field(min_length=1, max_length=1024)] = "text"
    """Which fields of a record make an example, and which of them count in the loss, in LWM's field language: see
    `lwm_trainer.data.encoding.field_language`."""
    fields_from_example: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The record's own field that holds its field line, or a list of them of which one is drawn by the record's number; instead of
    `fields`."""
    chat: Chat = Chat()
    frames: Frames = Frames()
    documents: Documents = Documents()
    on_bad_record: OnBadRecord = "fail"
    """What becomes of a record that makes no example. fail: the stage ends with its file and line. skip: it is counted and reported."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of the mixture, relative to the other data sets of the stage."""
    prepared: str | None = None
    """The folder of its token store; None: records are read and encoded while the stage starts, by every host."""
