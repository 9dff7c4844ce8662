"""Text that comes in pieces is the text that comes at once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.sampling.detokenizer import Detokenizer


def decode(ids: object) -> str:
    return bytes(ids).decode("utf-8", errors="replace")  # type: ignore[call-overload, no-any-return]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20), st.lists(st.text(alphabet="ab<é", min_size=1, max_size=3), max_size=2))
def test_pieces_joined_are_the_text_up_to_the_stop_text_that_is_complete_first(text: str, stop: list[str]) -> None:
    text += "ab<é"
    detokenizer = Detokenizer(decode, stop)
    given_out = "".join([*(detokenizer.add(byte) for byte in text.encode()), detokenizer.finish()])
    complete = [(text.find(each) + len(each), text.find(each)) for each in stop if each in text]
    assert given_out == (text[: min(complete)[1]] if complete else text)
    assert detokenizer.stopped == bool(complete)


def test_half_a_character_and_half_a_stop_text_are_held_back() -> None:
    detokenizer = Detokenizer(decode, ["</end>"])
    assert [detokenizer.add(byte) for byte in "é".encode()] == ["", "é"]
    assert [detokenizer.add(byte) for byte in b"a</ex"] == ["a", "", "", "", "</ex"]


def test_the_tag_of_a_span_is_no_text_of_the_answer() -> None:
    detokenizer = Detokenizer(decode, tag="<vision>")
    text = "".join(detokenizer.add(byte) for byte in b"a <vision>")
    assert text + detokenizer.open_span() == "a "
    text = "".join(detokenizer.add(byte) for byte in b"b <vision")
    assert text + detokenizer.finish() == "b <vision"
