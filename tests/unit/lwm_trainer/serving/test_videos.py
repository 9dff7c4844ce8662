"""Clips over HTTP, as the official client asks for them: created, followed, fetched and deleted."""

import http.client
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
import openai
import pytest
from PIL import Image

from lwm_trainer.serving import video_jobs
from lwm_trainer.serving.application import Service
from lwm_trainer.vision.media.sampling import Sampling
from support.media_files import clip, picture
from support.served_model import CONTEXT, KEY, NAME, make_service, served, tiny_generator, tiny_media
from support.tiny_vqgan import TINY

SIDE, RATE = TINY.image_size, 4
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture(scope="module")
def service() -> Service:
    return make_service(tiny_generator(rows=2), rows=2, media=tiny_media())


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    with served(service) as url, openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def draw(client: openai.OpenAI) -> Callable[..., Any]:
    """A clip that has ended."""

    def drawn(**settings: Any) -> Any:
        return client.videos.create_and_poll(model=NAME, prompt="a car", poll_interval_ms=20, **settings)

    return drawn


def frames(content: bytes) -> list[Any]:
    with av.open(io.BytesIO(content)) as container:
        assert isinstance(container, av.container.InputContainer)
        assert container.streams.video[0].average_rate == RATE
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_clip_is_drawn_and_fetched_and_the_same_for_the_same_seed(client: openai.OpenAI, draw: Callable[..., Any]) -> None:
    first, second, other = (draw(seconds="1", size=f"{SIDE}x{SIDE}", extra_body={"seed": seed}) for seed in (3, 3, 4))
    assert (first.status, first.progress, first.seconds, first.size) == ("completed", 100, "1", f"{SIDE}x{SIDE}")
    contents = [client.videos.download_content(video.id).content for video in (first, second, other)]
    assert [frame.shape for frame in frames(contents[0])] == [(SIDE, SIDE, 3)] * RATE
    assert contents[0] == contents[1] != contents[2]
    assert [video.id for video in client.videos.list(limit=2)] == [other.id, second.id, first.id][:3]
    assert [video.id for video in client.videos.list(order="asc", after=first.id)][:2] == [second.id, other.id]
    client.videos.delete(first.id)
    with pytest.raises(openai.NotFoundError, match="no clip has this id"):
        client.videos.retrieve(first.id)


def test_a_picture_or_a_clip_goes_on(client: openai.OpenAI, draw: Callable[..., Any]) -> None:
    shown = {
        "picture": draw(input_reference=("cat.png", picture("PNG"), "image/png"), extra_body={"frames": 2, "seed": 1}),
        "clip": draw(input_reference=("drive.mp4", clip(), "video/mp4"), extra_body={"frames": 1, "seed": 1}),
    }
    made = {name: frames(client.videos.download_content(video.id).content) for name, video in shown.items()}
    assert len(made["picture"]) == 1 + 2
    assert len(made["clip"]) == 8 + 1  # tiny_media takes 8 frames of a clip
    media = tiny_media()
    codes = media.uploaded(picture("PNG"), Sampling(max_frames=1), 1, "picture")
    (expected,) = media.tokenizer.decode(np.array(codes))
    assert np.abs(brightness(made["picture"][0]) - brightness(expected)).mean() < 6  # what H.264 loses
    assert np.abs(brightness(made["picture"][1]) - brightness(expected)).mean() > 12


def brightness(pixels: Any) -> Any:
    """What a clip has of every pixel; of colours, it has those of every fourth."""
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({"seconds": "soon"}, "seconds"),
        ({"seconds": "0"}, "seconds"),
        ({"seconds": "inf"}, "seconds"),
        ({"seconds": "1000"}, "seconds"),
        ({"extra_body": {"frames": 1000}}, "frames"),
        ({"seconds": "1", "extra_body": {"frames": 2}}, "seconds"),
        ({"extra_body": {"frames": "two"}}, "frames"),
        ({"size": "720x1280"}, "size"),
        ({"extra_body": {"quality": "high"}}, "quality"),
        ({"input_reference": ("a.png", b"no picture", "image/png")}, "input_reference"),
        ({"extra_body": {"input_reference": {"file_id": "abc"}}}, "input_reference.file_id"),
        ({"extra_body": {"input_reference": {"image_url": "https://example.com/a.png"}}}, "input_reference.image_url"),
        ({"extra_body": {"input_reference": {"image_url": "a", "video_url": "b"}}}, "input_reference"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(client: openai.OpenAI, settings: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(model=NAME, prompt="a car", **settings)
    assert caught.value.param == param


def test_a_clip_that_is_deleted_is_given_up_and_its_row_is_free(client: openai.OpenAI, service: Service) -> None:
    most = (CONTEXT - 20) // (TINY.codes_per_frame + 1)
    video = client.videos.create(model=NAME, prompt="a", extra_body={"frames": most})
    assert video.status == "queued"
    with pytest.raises(openai.BadRequestError, match="wait until it is completed"):
        client.videos.download_content(video.id)
    client.videos.delete(video.id)
    deadline = time.monotonic() + 30
    while service.engine.queue or service.generator.batch().free < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_oldest_clip_gives_way_to_a_new_one(client: openai.OpenAI, draw: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for video in client.videos.list(limit=100):
        client.videos.delete(video.id)
    monkeypatch.setattr(video_jobs, "KEPT", 2)
    made = [draw(extra_body={"frames": 1}).id for _ in range(3)]
    assert [video.id for video in client.videos.list()] == [made[2], made[1]]


def test_a_form_of_another_sites_page_and_what_is_no_form_are_refused(client: openai.OpenAI) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x"
    for body, headers, status, code in (
        (form, {"Content-Type": kind, "Origin": "https://example.com"}, 403, "wrong_origin"),
        (form, {"Content-Type": kind}, 400, "missing_parameter"),
        (b"--", {"Content-Type": "multipart/form-data"}, 400, "invalid_form"),
        (b"--y", {"Content-Type": kind}, 400, "invalid_form"),
        (form + b" " * 100_000, {"Content-Type": kind}, 413, "body_too_large"),
    ):
        connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=60)
        connection.request("POST", "/v1/videos", body, {"Authorization": f"Bearer {KEY}", **headers})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["error"]["code"]) == (status, code)
        connection.close()
