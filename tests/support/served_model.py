"""A small model behind a real server, in threads of the test's process."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lwm_trainer.config import Frames, Model, Vision
from lwm_trainer.sampling.conversation import make_conversations
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.settings import Filters
from lwm_trainer.sampling.vocabulary import make_vocabulary
from lwm_trainer.serving.application import Service, make_application
from lwm_trainer.serving.chat_request import ChatDefaults
from lwm_trainer.serving.engine_thread import EngineThread
from lwm_trainer.serving.server import Server, listen, make_server
from lwm_trainer.serving.vision_media import VisionMedia
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import TokenizerFile
from support.byte_tokenizer import byte_tokenizer
from support.tiny_models import one_device_mesh, random_params
from support.tiny_vqgan import TINY

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=20))
FRAMES = Frames(tokens_per_frame=TINY.codes_per_frame, codebook_size=TINY.codebook_size)
CONTEXT, KEY, NAME = 512, "a-key", "tiny"


def tiny_generator(rows: int = 1, host_bytes: int = 0) -> Generator:
    """A random model of one layer, whose tokens are bytes, and whose frames are those of the tiny vision tokenizer."""
    mesh = one_device_mesh()
    engine = Engine(MODEL, 1e4, for_generation(MODEL, random_params(MODEL, mesh)), mesh, 64)
    vocabulary = make_vocabulary(MODEL, byte_tokenizer("<vision>", "</vision>"), FRAMES)
    return Generator(engine, vocabulary, CONTEXT, rows=rows, host_bytes=host_bytes)


def tiny_media(folder: Path | None = None) -> VisionMedia:
    """A random vision tokenizer, of whose clips 8 frames are taken; clips below `folder` may be named."""
    return VisionMedia(VisionTokenizer(TokenizerFile(TINY, vqgan.init(TINY, 0), "0" * 64, "test")), Sampling(max_frames=8), folder, 4)


def make_service(
    generator: Generator, *, queue_length: int = 4, rows: int = 1, max_body: int = 100_000, media: VisionMedia | None = None
) -> Service:
    """The model with its engine; answers have 8 tokens unless a request says otherwise."""
    return Service(
        name=NAME,
        generator=generator,
        engine=EngineThread(generator, queue_length=queue_length, rows=rows),
        conversations=make_conversations(generator.vocabulary, "lwm"),
        media=media,
        image_prompt="{prompt}",
        video_prompt="{prompt}",
        defaults=ChatDefaults(max_tokens=8, text=Filters(), vision=Filters()),
        key=KEY,
        max_body=max_body,
    )


@contextmanager
def served(service: Service) -> Iterator[str]:
    """Serve until the block ends; yields the server's address, such as http://127.0.0.1:1234."""
    listening = listen("127.0.0.1", 0)
    server = make_server(make_application(service), grace=1)
    thread = threading.Thread(target=_serve, args=(server, listening))
    service.engine.start()
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        service.engine.stop()
        service.engine.cancel_all()
        server.should_exit = True
        thread.join(10)
        service.engine.join(10)


def _serve(server: Server, listening: socket.socket) -> None:
    asyncio.run(server.serve([listening]))
