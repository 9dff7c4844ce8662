"""Pictures and clips of requests: data URLs, paths below one folder, and nothing else."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.vision_media import VisionMedia
from lwm_trainer.vision.media.sampling import Sampling
from support.media_files import clip, picture
from support.served_model import tiny_media
from support.tiny_vqgan import TINY

ALL = Sampling()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clips, beside a file that is not in it."""
    root = tmp_path_factory.mktemp("media")
    (root / "clips").mkdir()
    (root / "clips" / "a clip.mp4").write_bytes(clip(times=tuple(range(5))))
    (root / "secret.mp4").write_bytes(clip(times=(0, 1)))
    (root / "clips" / "link.mp4").symlink_to(root / "secret.mp4")
    return root / "clips"


@pytest.fixture(scope="module")
def media(folder: Path) -> VisionMedia:
    return tiny_media(folder)


def data_url(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def test_a_picture_is_one_frame_and_becomes_one_again(media: VisionMedia) -> None:
    (codes,) = media.picture(data_url(picture("PNG")), "p")
    assert len(codes) == TINY.codes_per_frame
    pixels = np.asarray(Image.open(io.BytesIO(media.png(codes))))
    assert pixels.shape == (TINY.image_size, TINY.image_size, 3)


def test_a_clip_may_be_sent_or_named_below_the_folder(media: VisionMedia, folder: Path) -> None:
    sent = media.clip(data_url((folder / "a clip.mp4").read_bytes(), "video/mp4"), ALL, 10, "v")
    assert len(sent) == 5
    for name in ("a clip.mp4", str(folder / "a clip.mp4"), f"file://{folder}/a%20clip.mp4"):
        assert media.clip(name, ALL, 10, "v") == sent
    assert len(media.clip("a clip.mp4", Sampling(max_frames=2), 10, "v")) == 2
    assert len(media.clip("a clip.mp4", Sampling(frames_per_second=5), 10, "v")) == 3


def test_what_was_encoded_is_kept_for_the_next_turn(media: VisionMedia, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = media.picture(data_url(picture("JPEG"), "image/jpeg"), "p")
    monkeypatch.setattr(media.tokenizer, "encode_stream", None)
    assert media.picture(data_url(picture("JPEG"), "image/jpeg"), "p") == codes


@pytest.mark.parametrize("name", ["../secret.mp4", "link.mp4", "none.mp4", "/etc/passwd", "file:///etc/passwd", "a\0b", "x" * 5000, "."])
def test_no_file_outside_the_folder_is_read(media: VisionMedia, name: str) -> None:
    with pytest.raises(ApiError, match="v: no such file is below the server's --media-folder") as caught:
        media.clip(name, ALL, 10, "v")
    assert caught.value.status == 400


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.png", "https://example.com/a.png", "ftp://a/b", "gs://bucket/a.mp4"])
def test_no_address_is_fetched(media: VisionMedia, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", connect)
    with pytest.raises(ApiError, match="p: this server fetches nothing: send the picture") as of_picture:
        media.picture(url, "p")
    with pytest.raises(ApiError, match="p: this server fetches nothing: send the clip") as of_clip:
        media.clip(url, ALL, 10, "p")
    assert of_picture.value.code == of_clip.value.code == "unsupported_url"


def test_a_server_without_a_folder_takes_no_paths() -> None:
    with pytest.raises(ApiError, match="send the clip itself as a data URL"):
        VisionMedia(tiny_media().tokenizer, ALL, None, 4).clip("a clip.mp4", ALL, 10, "v")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("data:image/png,abc", "no data URL in base64"),
        ("data:image/png;base64,a*b", "no data URL in base64"),
        ("data:image/png;base64,", "is empty"),
        (data_url(b"<svg/>"), "convert it"),
        (data_url(picture("PNG")[:60]), "broken or truncated"),
    ],
)
def test_a_broken_picture_is_refused_by_its_place_in_the_request(media: VisionMedia, url: str, words: str) -> None:
    with pytest.raises(ApiError, match=rf"messages\[0\].*{words}") as caught:
        media.picture(url, "messages[0].content[1].image_url.url")
    assert caught.value.param == "messages[0].content[1].image_url.url"


def test_a_clip_with_more_frames_than_the_limits_is_refused(media: VisionMedia) -> None:
    with pytest.raises(ApiError, match="has room for 3 frames, and the clip has more"):
        media.clip("a clip.mp4", ALL, 3, "v")
    with pytest.raises(ApiError, match=r"v\.max_frames: give 8 or less"):
        media.clip("a clip.mp4", Sampling(max_frames=9), 20, "v")
