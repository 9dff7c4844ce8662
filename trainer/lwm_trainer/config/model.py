"""What is trained: a decoder of the Llama family."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract


class RopeScaling(Contract):
    """Llama 3.1's stretching of the rotary embedding: slow channels turn `factor` times slower, fast ones as before."""

    type: Literal["llama3"]
    """As in Hugging Face's config.json."""
    factor: Annotated[float, Field(ge=1, le=1024)] = 8.0
    """Llama 3.1: 8; Llama 3.2: 32."""
    low_frequency_factor: Annotated[float, Field(gt=0, le=1024)] = 1.0
    """Channels that turn fewer times than this within originalContextLength are slowed in full."""
    high_frequency_factor: Annotated[float, Field(gt=0, le=1024)] = 4.0
    """Channels that turn more often than this are left alone; above lowFrequencyFactor."""
    original_context_length: Annotated[int, Field(ge=8, le=16_777_216)] = 8192
    """Tokens of a row in the training that the scaling stretches."""


class Vision(Contract):
    """A second vocabulary beside the text's, with an embedding and a head of its own."""

    vocab_size: Annotated[int, Field(ge=16, le=1048576)] = 8448
    """Rows of both: a multiple of mesh.tp. Default: LWM's 8,192 codes, end of frame, end of vision, and spare ones."""


class Model(Contract):
    """A Llama-family decoder. Widths are in units of one activation, e.g. `width=4096` for the 7B model."""

    layers: Annotated[int, Field(ge=1, le=512)]
    """Decoder blocks, computed one after the other with equal shapes."""
    width: Annotated[int, Field(ge=8, le=65536)]
    """Of the stream between layers; a multiple of mesh.fsdp x mesh.sp."""
    heads: Annotated[int, Field(ge=1, le=1024)]
    """Query heads of a layer; a multiple of mesh.tp."""
    kv_heads: Annotated[int, Field(ge=1, le=1024)]
    """Key and value heads: a divisor of heads and a multiple of mesh.tp. Equal to heads: every query head has its own."""
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    """Of one head; even, because rotary embedding turns pairs. heads x headDim need not be width."""
    mlp_width: Annotated[int, Field(ge=8, le=262144)]
    """Inner width of the gated MLP (SwiGLU); a multiple of mesh.tp."""
    vocab_size: Annotated[int, Field(ge=16, le=1048576)]
    """Rows of the embedding: at least the tokenizer's pieces, and a multiple of mesh.tp."""
    norm_epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Added to the mean square in RMSNorm. Default: Llama 2's."""
    tied_embeddings: bool = False
    """True: the output head is the embedding, transposed; false: a matrix of its own."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of activations and matrix products; parameters and optimizer are always float32."""
    rope_scaling: RopeScaling | None = Field(default=None, description="Default: none, as Llama 2 and LWM.")
    vision: Vision | None = Field(default=None, description="The vocabulary of image and video tokens. Default: none, text only.")

    @property
    def dtype_bytes(self) -> int:
        """Of one activation, and of a parameter on its way between devices."""
        return 2 if self.dtype == "bfloat16" else 4
