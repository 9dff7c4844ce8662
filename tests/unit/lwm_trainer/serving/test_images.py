"""Pictures over HTTP: shown in a conversation, and drawn."""

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from PIL import Image

from lwm_trainer.serving.application import Service
from support.media_files import clip, picture
from support.served_model import CONTEXT, KEY, NAME, make_service, served, tiny_generator, tiny_media
from support.tiny_vqgan import TINY


@pytest.fixture(scope="module")
def service() -> Service:
    return make_service(tiny_generator(rows=2), rows=2, media=tiny_media())


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    with served(service) as url, openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def draw(client: openai.OpenAI) -> Callable[..., list[Image.Image]]:
    """Pictures for a text."""

    def drawn(**settings: Any) -> list[Image.Image]:
        answer = client.images.generate(model=NAME, prompt="a cat", **settings)
        return [Image.open(io.BytesIO(base64.b64decode(each.b64_json or ""))) for each in answer.data or []]

    return drawn


def url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def test_a_picture_and_a_clip_are_part_of_the_prompt(client: openai.OpenAI) -> None:
    frame = TINY.codes_per_frame + 1
    lengths = []
    for parts in (
        [],
        [{"type": "image_url", "image_url": {"url": url(picture("PNG"), "image/png"), "detail": "low"}}],
        [{"type": "video_url", "video_url": {"url": url(clip(), "video/mp4"), "max_frames": 3}}],
    ):
        messages: Any = [{"role": "user", "content": [*parts, {"type": "text", "text": "What is it?"}]}]
        answer = client.chat.completions.create(model=NAME, messages=messages, max_tokens=2)
        assert answer.usage is not None
        lengths.append(answer.usage.prompt_tokens)
    none, one, three = lengths
    assert one - none == frame + 2  # with the tags around it
    assert three - none == 3 * frame + 2


def test_all_clips_together_have_room_for_the_frames_of_one_context(client: openai.OpenAI) -> None:
    most = CONTEXT // (TINY.codes_per_frame + 1)
    part = {"type": "video_url", "video_url": {"url": url(clip(), "video/mp4"), "max_frames": 8}}
    messages: Any = [{"role": "user", "content": [part] * 5}]
    with pytest.raises(openai.BadRequestError, match=f"has room for {most % 8} frames") as caught:
        client.chat.completions.create(model=NAME, messages=messages)
    assert caught.value.param == f"messages[0].content[{most // 8}].video_url.url"
    assert caught.value.code == "context_length_exceeded"


def test_pictures_are_drawn_the_same_for_the_same_seed(draw: Callable[..., list[Image.Image]]) -> None:
    first, second = draw(n=2, extra_body={"seed": 4})
    assert first.size == (TINY.image_size, TINY.image_size)
    assert first.tobytes() != second.tobytes()
    (again,) = draw(extra_body={"seed": 5}, size=f"{TINY.image_size}x{TINY.image_size}")
    assert again.tobytes() == second.tobytes()
    guided = draw(n=2, extra_body={"seed": 4, "guidance": 4.0})
    assert guided[0].tobytes() != first.tobytes()


@pytest.mark.parametrize(
    ("settings", "param"),
    [({"size": "1024x1024"}, "size"), ({"response_format": "url"}, "response_format"), ({"quality": "high"}, "quality")],
)
def test_what_cannot_be_drawn_is_refused_by_name(draw: Callable[..., list[Image.Image]], settings: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        draw(**settings)
    assert caught.value.param == param


def test_an_answer_may_draw_where_the_request_lets_it(client: openai.OpenAI) -> None:
    modalities: Any = ["text", "image"]
    settings: dict[str, Any] = {
        "model": NAME,
        "messages": [{"role": "user", "content": "draw"}],
        "max_tokens": 4 * (TINY.codes_per_frame + 4),
        "modalities": modalities,
    }
    images: list[Any] = []
    # A random model opens a span with some seeds.
    for seed in range(40):
        answer = client.chat.completions.create(seed=seed, **settings)
        if images := (answer.choices[0].message.model_extra or {}).get("images", []):
            break
    assert images[0]["image_url"]["url"].startswith("data:image/png;base64,")
    chunks = client.chat.completions.create(seed=seed, stream=True, **settings)
    assert [image for chunk in chunks for image in (chunk.choices[0].delta.model_extra or {}).get("images", [])] == images
    settings["modalities"] = ["text"]
    answer = client.chat.completions.create(seed=seed, **settings)
    assert "images" not in (answer.choices[0].message.model_extra or {})
