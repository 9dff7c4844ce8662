"""The model: a decoder of the Llama family."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract


class RopeScaling(Contract):
    """RoPE scaling of Llama 3.1: low-frequency channels rotate `factor` times slower, high-frequency channels are unchanged."""

    type: Literal["llama3"]
    """Type of scaling, as in Hugging Face's config.json."""
    factor: Annotated[float, Field(ge=1, le=1024)] = 8.0
    """Scaling factor. Llama 3.1 uses 8, Llama 3.2 uses 32."""
    low_frequency_factor: Annotated[float, Field(gt=0, le=1024)] = 1.0
    """Channels with fewer rotations than this within originalContextLength are scaled by the full factor."""
    high_frequency_factor: Annotated[float, Field(gt=0, le=1024)] = 4.0
    """Channels with more rotations than this are not scaled. It must be above lowFrequencyFactor."""
    original_context_length: Annotated[int, Field(ge=8, le=16_777_216)] = 8192
    """Context length of the model before scaling, in tokens."""


class Vision(Contract):
    """A second vocabulary for image and video tokens, with its own embedding and output head."""

    vocab_size: Annotated[int, Field(ge=16, le=1048576)] = 8448
    """Size of the vision vocabulary: a multiple of mesh.tp. Default: LWM's 8,192 codes, end of frame, end of vision, and padding."""


class Model(Contract):
    """A Llama-family decoder. Widths are numbers of activations, for example `width=4096` for the 7B model."""

    layers: Annotated[int, Field(ge=1, le=512)]
    """Number of decoder layers."""
    width: Annotated[int, Field(ge=8, le=65536)]
    """Width of the residual stream (hidden size): a multiple of mesh.fsdp x mesh.sp."""
    heads: Annotated[int, Field(ge=1, le=1024)]
    """Number of query heads per layer: a multiple of mesh.tp."""
    kv_heads: Annotated[int, Field(ge=1, le=1024)]
    """Number of key/value heads per layer: a divisor of heads, and a multiple or divisor of mesh.tp. Equal to heads: no grouped-query
    attention."""
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    """Channels per head: an even number, because the rotary embedding rotates pairs. heads x headDim may differ from width."""
    mlp_width: Annotated[int, Field(ge=8, le=262144)]
    """Inner width of the gated MLP (SwiGLU): a multiple of mesh.tp."""
    vocab_size: Annotated[int, Field(ge=16, le=1048576)]
    """Size of the text vocabulary: at least that of the tokenizer, and a multiple of mesh.tp."""
    norm_epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Epsilon of RMSNorm. Default: Llama 2's value."""
    tied_embeddings: bool = False
    """True: the output head is the transposed embedding. False: the output head has its own weights."""
    rope_scaling: RopeScaling | None = Field(default=None, description="RoPE scaling. Default: none, as in Llama 2 and LWM.")
    vision: Vision | None = Field(
        default=None, description="Vocabulary of image and video tokens. Default: none; the model is for text only."
    )
