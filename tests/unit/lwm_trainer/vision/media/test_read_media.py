"""Pictures and clips of all kinds, and a table of files that cannot be used with what is said of them."""

import io
import re
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import Image

from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from support.media_files import SIZE, clip, frame, picture, turned

ALL = Sampling()
GUIDE = Path(__file__).parents[5] / "docs" / "guides" / "vision.md"


def read(content: bytes, sampling: Sampling = ALL) -> NDArray[np.uint8]:
    return np.stack(list(read_media(io.BytesIO(content), "x", SIZE, sampling)))


def levels(content: bytes, sampling: Sampling = ALL) -> list[int]:
    """The numbers of the frames, by their grey at the lower right."""
    return [round(float(each[-4:, -4:].mean()) / 20) for each in read(content, sampling)]


def lwm_frame(image: Image.Image) -> NDArray[np.uint8]:
    """As LWM's vision_chat.py makes a frame, in its own words: float coordinates of the crop, which Pillow rounds."""
    width, height = image.size
    size = (SIZE, int(SIZE * height / width)) if width < height else (int(SIZE * width / height), SIZE)
    image = image.resize(size)
    left, top = (image.size[0] - SIZE) / 2, (image.size[1] - SIZE) / 2
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


@pytest.mark.parametrize("size", [(48, 32), (31, 33), (16, 16), (9, 40), (53, 20), (5, 5)])
def test_a_frame_is_lwms(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    np.testing.assert_array_equal(read(picture("PNG", Image.fromarray(pixels)))[0], lwm_frame(Image.fromarray(pixels)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_format_of_pictures_is_read(kind: str) -> None:
    plain = Image.new("RGB", (20, 18), (200, 40, 90))
    np.testing.assert_allclose(read(picture(kind, plain)), np.full((1, SIZE, SIZE, 3), (200, 40, 90)), atol=6)


def test_kinds_of_colour_become_rgb() -> None:
    grey = Image.new("L", (20, 20), 130)
    deep = Image.fromarray(np.full((20, 20), 130 * 257, np.uint16))
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    for image, colour in [(grey, 130), (grey.convert("LA"), 130), (deep, 130), (clear, 255), (Image.new("1", (20, 20), 1), 255)]:
        np.testing.assert_array_equal(read(picture("PNG", image)), np.full((1, SIZE, SIZE, 3), colour), image.mode)
    np.testing.assert_array_equal(read(picture("PNG", palette))[0, 0, 0], [10, 20, 30])
    np.testing.assert_array_equal(read(picture("GIF", palette, transparency=1))[0, 0, 0], [255, 255, 255])
    cyan = Image.new("CMYK", (20, 20), (255, 0, 0, 0))
    np.testing.assert_allclose(read(picture("JPEG", cyan))[0, 0, 0], [0, 255, 255], atol=6)


def test_exif_orientation_turns_a_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    content = picture("PNG", Image.fromarray(frame(3)), exif=exif)
    np.testing.assert_array_equal(read(content)[0], lwm_frame(Image.fromarray(np.rot90(frame(3), -1))))


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("webm", "libvpx-vp9")])
def test_each_container_is_read_in_the_order_of_presentation(kind: str, codec: str) -> None:
    assert levels(clip(kind, codec)) == list(range(10))


def test_b_frames_come_in_the_order_of_presentation() -> None:
    content = clip(options={"x264-params": "bframes=3:b-adapt=0:scenecut=0:keyint=10"})
    with av.open(io.BytesIO(content), "r") as container:
        decoding_order = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert decoding_order != sorted(decoding_order)
    assert levels(content) == list(range(10))
    assert levels(content, Sampling(max_frames=4)) == [0, 3, 6, 9]


def test_a_rotation_flag_turns_a_clip() -> None:
    upright, rotated = read(clip())[3], read(turned(clip()))[3]
    assert upright[1, 1].argmax() == 0
    assert rotated[1, -2, 0] > rotated[1, -2, 1] + 100  # red at the upper right now
    assert abs(int(rotated[1, 1, 0]) - int(rotated[1, 1, 1])) < 30


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_pixels_that_are_not_square_are_shown_as_players_do(kind: str) -> None:
    narrow = clip(kind, pixel_aspect=Fraction(1, 3))  # 48 x 32 pixels, to be shown as 16 x 32
    with av.open(io.BytesIO(narrow), "r") as container:
        decoded: Any = next(container.decode(video=0))
        image = decoded.to_image()
    frame_0 = read(narrow)[0]
    np.testing.assert_array_equal(frame_0, np.asarray(image.resize((SIZE, 2 * SIZE)).crop((0, 8, 16, 24))))
    assert not np.array_equal(frame_0, read(clip(kind))[0])
    if kind == "mp4":
        upright = image.transpose(Image.Transpose.ROTATE_270)  # 32 x 48 pixels, three times as wide as they are high
        expected = np.asarray(upright.resize((2 * SIZE, SIZE)).crop((8, 0, 24, 16)))
        np.testing.assert_array_equal(read(turned(narrow))[0], expected)


def test_by_rate_the_frame_on_display_is_taken() -> None:
    uneven = clip("mkv", times=(0, 1, 2, 9, 10, 20))
    assert levels(uneven, Sampling(frames_per_second=5)) == [0, 2, 2, 2, 2, 4, 4, 4, 4, 4, 5]
    assert levels(uneven, Sampling(frames_per_second=1, max_frames=2)) == [0, 5]
    assert levels(clip(), Sampling(frames_per_second=2.5)) == [0, 4, 8]
    assert levels(clip(rate=30), Sampling(frames_per_second=10)) == [0, 3, 6, 9]


def test_an_animation_is_a_clip() -> None:
    images = [Image.fromarray(frame(number)) for number in range(5)]
    content = picture("GIF", images[0], save_all=True, append_images=images[1:], duration=100)
    assert levels(content) == [0, 1, 2, 3, 4]
    assert levels(content, Sampling(frames_per_second=5)) == [0, 2, 4]


def test_of_a_file_with_further_pictures_the_first_is_taken() -> None:
    """Phones write a preview or a second view into the JPEG file of a picture."""
    large, small = Image.new("RGB", (20, 20), (200, 40, 90)), Image.new("RGB", (10, 10))
    content = picture("MPO", large, save_all=True, append_images=[small])
    assert content.startswith(b"\xff\xd8\xff")
    np.testing.assert_allclose(read(content), np.full((1, SIZE, SIZE, 3), (200, 40, 90)), atol=6)


def bomb() -> bytes:
    """A PNG of a few hundred bytes whose header says 40,000 x 40,000 pixels."""
    content = picture("PNG")
    header = b"IHDR" + (40_000).to_bytes(4, "big") * 2 + content[24:29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "zero length": (lambda: b"", "x: is empty"),
    "text": (lambda: b"no picture at all", "x: begins with b'no pictu': it is no PNG, JPEG"),
    "truncated png": (lambda: picture("PNG")[:60], "x: broken or truncated"),
    "truncated jpeg": (lambda: picture("JPEG")[:400], r"x: broken or truncated \(OSError"),
    "truncated webp": (lambda: picture("WEBP")[:40], "x: broken or truncated"),
    "truncated gif": (lambda: picture("GIF")[:30], "x: broken or truncated"),
    "damaged png": (lambda: picture("PNG").replace(b"IDAT", b"IDAX"), "x: broken or truncated"),
    "bomb": (bomb, r"x: more than 67108864 pixels \(Image size"),
    "narrow": (lambda: picture("PNG", Image.new("L", (1, 20_000_000 // SIZE))), "x: 1 x 1250000 pixels are too narrow"),
    "only a head": (lambda: clip()[:40], "x: broken or truncated"),
    "mp4 without its index": (lambda: clip()[:600], "x: broken or truncated"),
    "mp4 cut in its data": (lambda: clip(index_first=True)[:-150], "x: (is cut off or damaged|has . of the 10 frames)"),
    "mkv cut": (lambda: clip("mkv", times=tuple(range(12)), options={"g": "1"})[:-900], "x: (ends at|is cut off|broken or truncated)"),
    "no decoder": (lambda: clip().replace(b"avc1", b"zzz1"), "x: no decoder is here for its video: convert it to H.264, VP9 or AV1"),
    "length": (
        lambda: clip("mkv").replace(b"00:00:01.0", b"00:00:x1.0"),
        "x: its header says that it is '.*' long, which is no time: copy it again",
    ),
    "another container": (lambda: b"\x00\x00\x00\x08wide" + bytes(64), "x: broken or truncated"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_used_are_named(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(MediaError, match=message):
        read(make())


def test_the_guide_shows_what_is_said_of_each() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `([^`|]+)` \|$", GUIDE.read_text().split("### Files that cannot be used")[1], re.MULTILINE)
    assert {name for name, _ in rows} == BAD.keys()
    for name, shown in rows:
        with pytest.raises(MediaError) as raised:
            read(BAD[name][0]())
        assert re.fullmatch(re.escape(f"x: {shown}").replace("…", ".*"), str(raised.value)), f"{name}: {raised.value}"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "mp4", "mkv", "webm"])
def test_damage_never_raises_anything_else(kind: str) -> None:
    """Another exception would end the whole preparation, whatever onBadRecord says."""
    images = [Image.fromarray(frame(number)) for number in range(3)]
    options = {"save_all": True, "append_images": images[1:]} if kind == "GIF" else {}
    codec = "libvpx-vp9" if kind == "webm" else "libx264"
    whole = picture(kind, images[0], **options) if kind.isupper() else clip(kind, codec, times=(0, 1, 2))
    random, refused = np.random.default_rng(0), 0
    for number in range(60):
        content = bytearray(whole[: random.integers(len(whole))] if number % 4 == 0 else whole)
        for place in random.integers(len(content), size=number % 5) if content else ():
            content[place] = random.integers(256)
        try:
            read(bytes(content))
        except MediaError:
            refused += 1
    assert 10 < refused < 60


@pytest.mark.parametrize("has_cover", [False, True])
def test_sound_alone_is_no_clip(has_cover: bool) -> None:
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        if has_cover:
            cover: Any = container.add_stream("mjpeg")
            cover.width = cover.height = SIZE
            cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic
            packet = av.Packet(picture("JPEG", Image.new("RGB", (SIZE, SIZE))))
            packet.stream, packet.pts, packet.dts = cover, 0, 0
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 48_000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
        if has_cover:
            container.mux(packet)
    with pytest.raises(MediaError, match="x: has no video stream"):
        read(content.getvalue())
