"""From weights and a tokenizer to a generator on the devices of this machine."""

import math
from dataclasses import dataclass

import jax

from lwm_trainer import config
from lwm_trainer.config.violations import violations
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.tokenizer_files import require_tokenizer_file
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.model.llama import Params
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.sampling.chunk_sizes import CHUNK
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.programs import ranks
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from lwm_trainer.sampling.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the command line says about loading; None where it says nothing."""

    tokenizer: str | None = None
    mesh: config.Mesh | None = None
    dtype: config.NumberType | None = None
    """The type of parameters, activations and cache."""
    frames: config.Frames | None = None
    context: int | None = None
    """Tokens of prompt and answer together, at most."""
    chunk: int = CHUNK
    reserve: bool = True
    rows: int = 1
    draft_tokens: int = 0
    host_bytes: int = 0
    """See `Generator` for these four."""


def load_generator(weights: Weights, options: LoadOptions) -> Generator:
    """Load the weights onto all devices. Raises WrongArgumentError, and what the readers of weights and tokenizer raise."""
    tokenizer = load_tokenizer(weights, options.tokenizer)
    model = weights.model
    precision = _precision(weights.precision, options.dtype)
    vocabulary = make_vocabulary(model, tokenizer, options.frames or config.Frames())
    context = _context(weights, options.context)
    mesh = options.mesh or default_mesh(model, jax.device_count())
    require_mesh(model, mesh)
    device_mesh = make_mesh(mesh)
    params = weights.load(model, device_mesh)
    return generator_of(
        model,
        weights.rope_theta,
        params,
        device_mesh,
        vocabulary,
        context,
        precision,
        chunk=options.chunk,
        reserve=options.reserve,
        rows=options.rows,
        draft_tokens=options.draft_tokens,
        host_bytes=options.host_bytes,
    )


def generator_of(
    model: config.Model,
    rope_theta: float,
    params: Params,
    device_mesh: jax.sharding.Mesh,
    vocabulary: Vocabulary,
    context: int,
    precision: config.Precision,
    *,
    chunk: int = CHUNK,
    reserve: bool = False,
    rows: int = 1,
    draft_tokens: int = 0,
    host_bytes: int = 0,
) -> Generator:
    """A generator for parameters that are on the devices; their arrays are deleted. On several hosts all call it, with equal arguments."""
    chunk = _chunk(chunk, context, ranks(device_mesh))
    engine = Engine(model, rope_theta, for_generation(model, params, precision.compute), device_mesh, chunk, precision)
    return Generator(engine, vocabulary, context, reserve=reserve, rows=rows, draft_tokens=draft_tokens, host_bytes=host_bytes)


def _precision(trained: config.Precision, compute: config.NumberType | None) -> config.Precision:
    """That of the training, with another type of activations where one is given."""
    return trained if compute in (None, trained.compute) else config.Precision(compute=compute, rotary_angles=trained.rotary_angles)


def load_tokenizer(weights: Weights, uri: str | None) -> Tokenizer:
    """The tokenizer of these weights. Raises WrongArgumentError for none and for another one."""
    uri = uri or weights.tokenizer
    if uri is None:
        raise WrongArgumentError(f"{weights.place}: has no tokenizer with it: give --tokenizer FILE, the tokenizer.json of its training")
    require_tokenizer_file(uri)
    tokenizer = Tokenizer.load(uri, weights.model.vocab_size)
    if weights.tokenizer_sha256 not in (None, tokenizer.sha256):
        raise WrongArgumentError(
            f"--tokenizer {uri}: is not the tokenizer of {weights.place}: its SHA-256 is {tokenizer.sha256}, but "
            f"{weights.tokenizer_sha256} in the checkpoint's manifest: give the tokenizer.json of its training"
        )
    return tokenizer


def default_mesh(model: config.Model, devices: int) -> config.Mesh:
    """All devices along the sequence, as far as they divide the model's width, and the rest over rows."""
    ranks = math.gcd(devices, model.width)
    return config.Mesh(dp=devices // ranks, sp=ranks, ulysses=1)


def require_mesh(model: config.Model, mesh: config.Mesh) -> None:
    """Raises WrongArgumentError for a mesh that does not fit the model or the devices."""
    tokens = 8 * mesh.sp
    invalid = violations(
        model=model,
        mesh=mesh,
        devices=jax.device_count(),
        context_length=tokens,
        batch_tokens=tokens * mesh.dp * mesh.fsdp,
        memory=config.Memory(),
    )
    if invalid:
        raise WrongArgumentError(f"--mesh: {invalid[0].field}: {invalid[0].message}")


def _context(weights: Weights, context: int | None) -> int:
    if context is None:
        return weights.context_length
    if not 2 <= context <= weights.context_length:
        raise WrongArgumentError(f"--context {context}: the model was trained for {weights.context_length} tokens: give 2 to that")
    return context


def _chunk(chunk: int, context: int, ranks: int) -> int:
    """The chunk as a multiple of the ranks, and no longer than the context needs."""
    return -(-min(chunk, context) // ranks) * ranks
