"""The page in a real browser: a talk, pictures and clips, settings, errors, and how it looks on a phone."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import Page, find_browser, open_page
from support.media_files import picture
from support.served_model import KEY, make_service, served, tiny_generator, tiny_media

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: the other tests of the page read its files only")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(make_service(tiny_generator(rows=2), rows=2, media=tiny_media())) as url:
        yield url


@pytest.fixture
def page(address: str, tmp_path: Path) -> Iterator[Page]:
    """The page of a server, with its key entered."""
    assert BROWSER is not None
    with open_page(BROWSER, tmp_path / "browser") as made:
        made.show_as(1000, 800)
        made.open(address)
        made.wait("document.getElementById('context').textContent === 'enter the API key'")
        assert made.run("!document.getElementById('settings').hidden")
        enter(made, "[name=key]", KEY)
        made.wait("document.title === 'tiny'")
        made.problems.clear()  # the refusal without the key
        yield made
        assert made.problems == []


def enter(page: Page, selector: str, value: str) -> None:
    page.run(
        f"{{ const field = document.querySelector('{selector}'); field.value = '{value}'; field.dispatchEvent(new Event('change')); }}"
    )


def say(page: Page, text: str) -> None:
    enter(page, "#message", text)
    page.run("document.getElementById('send').click()")


def last_footer(page: Page, words: str) -> str:
    """The footer of the last answer, as soon as it has these words."""
    script = f"[...document.querySelectorAll('article.assistant footer')].at(-1)?.textContent.includes('{words}')"
    page.wait(script)
    return str(page.run("[...document.querySelectorAll('article.assistant footer')].at(-1).textContent"))


def test_a_talk_goes_on_and_its_tokens_are_counted(page: Page) -> None:
    enter(page, "[name=seed]", "1")
    say(page, "hello")
    first = last_footer(page, "of answer in")
    assert " 8 of answer in" in first
    assert page.run("document.querySelector('article.assistant p').textContent.length") > 0
    say(page, "and?")
    page.wait("document.querySelectorAll('article.assistant').length === 2")
    kept = int(last_footer(page, "of them kept").split(" tokens of prompt, ")[1].split()[0])
    assert kept > 8  # the first turn
    page.run("document.getElementById('new').click()")
    assert page.run("document.querySelectorAll('article').length") == 0


def test_a_picture_is_shown_and_pictures_and_clips_are_drawn(page: Page) -> None:
    enter(page, "[name=seconds]", "0.5")
    content = base64.b64encode(picture("PNG")).decode()
    page.run(
        f"""{{ const file = new File([Uint8Array.from(atob('{content}'), (c) => c.charCodeAt(0))], 'cat.png', {{ type: 'image/png' }});
        const files = new DataTransfer(); files.items.add(file);
        const field = document.getElementById('file'); field.files = files.files; field.dispatchEvent(new Event('change')); }}"""
    )
    page.wait("document.querySelector('#chosen img')?.naturalWidth > 0")
    enter(page, "#makes", "clip")
    say(page, "a car")
    last_footer(page, "clip in")
    assert page.run("document.querySelector('article.user img').naturalWidth") > 0
    page.wait("document.querySelector('article.assistant video').duration === 0.75")  # the picture and two frames
    enter(page, "#makes", "picture")
    say(page, "a cat")
    last_footer(page, "picture in")
    page.wait("document.querySelector('article.assistant img').naturalWidth > 0")


def test_a_refusal_is_shown_and_the_message_may_be_sent_again(page: Page) -> None:
    enter(page, "[name=max_tokens]", "100000")
    say(page, "much")
    page.wait("document.querySelector('article.wrong footer')?.textContent.includes('context has room for')")
    assert page.run("document.getElementById('message').value") == "much"
    page.problems.clear()  # the browser names every refusal


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(page: Page, dark: bool) -> None:
    say(page, "hello")
    last_footer(page, "of answer in")
    page.show_as(360, 640, dark=dark)
    assert page.run("document.documentElement.scrollWidth") <= 360
    assert page.run("document.getElementById('send').getBoundingClientRect().right") <= 360
    (red, green, blue) = page.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue < 3 * 64) == dark
