"""Questions that are made about the documents of a data set of kind qa."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract

PAIR_TOKENS, FRAME_TOKENS = 176, 64
"""Room for a question and its answer in an example, and for what stands around all of them."""


class Endpoint(Contract):
    """A model behind an OpenAI-compatible server, which writes the questions and their answers."""

    url: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^https?://[^\s@]+$")]
    """Base address, such as `http://vllm:8000/v1`, without user and password."""
    model: Annotated[str, Field(min_length=1, max_length=256)]
    """Name of the model on the server. It is part of what decides the token store; the address is not."""
    key_variable: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        default=None, description="Variable of podTemplate.env with the API key, which is taken from a Secret. Default: no key."
    )


class Questions(Contract):
    """Questions about long documents: chunks of a document, then a question and its answer about each, as a chat."""

    tokens: Annotated[int, Field(ge=512, le=16_777_216)]
    """Tokens of an example, at most: chunks and pairs together. The contextLength of the stages is right. A longer document becomes several
    examples."""
    chunk_tokens: Annotated[int, Field(ge=64, le=100_000)] = 1000
    """Tokens of a chunk, each of which gets one question."""
    endpoint: Endpoint | None = Field(
        default=None, description="Model that writes the questions. Default: a rule that asks for names and numbers of the text."
    )

    @property
    def chunks(self) -> int:
        """Chunks of an example, at most."""
        return max(1, (self.tokens - FRAME_TOKENS) // (self.chunk_tokens + PAIR_TOKENS))
