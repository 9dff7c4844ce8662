"""`lwm chat` from a pipe: turns follow each other, and what cannot be answered is no part of the conversation."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from lwm_cli import chat as module
from lwm_cli.__main__ import main
from lwm_trainer.config import ExitCode
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.settings import SettingsError


class Piece:
    def __init__(self, text: str, token: int, reason: str | None) -> None:
        self.text, self.token, self.reason = text, token, reason
        self.vision = self.stopped_by_text = False


class Generator:
    """Answers with "hm" and the end token."""

    class vocabulary:  # noqa: N801
        end_id = 9

        class grammar:  # noqa: N801
            frame = 0

    class Usage:
        prompt, cached = 3, 1

    usage = (Usage,)

    def generate(self, requests: Sequence[Any]) -> Any:
        yield [Piece("h", 4, None)]
        yield [Piece("m", 5, None), Piece("", 9, "stop")]  # two of one step


@pytest.fixture
def conversations(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """The messages of each prompt that was made."""
    prompts: list[list[dict[str, Any]]] = []

    class Conversations:
        stop = ()

        @staticmethod
        def prompt(messages: list[dict[str, Any]]) -> Any:
            if messages[-1]["content"] == "too long":
                raise SettingsError("prompt: too long")
            prompts.append(list(messages))
            return text_row([1])

    monkeypatch.setattr(module, "take_generator", lambda options, reserve, frames: Generator())
    monkeypatch.setattr(module, "make_conversations", lambda vocabulary, template: Conversations)
    return prompts


def test_each_turn_has_those_before_it_until_a_new_conversation(
    conversations: list[list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\ntoo long\ntwo\n/new\nthree\n"))
    assert main(["chat", "somewhere", "--system", "Be brief."]) == 0
    system = {"role": "system", "content": "Be brief."}
    answer = {"role": "assistant", "content": "hm", "tokens": [4, 5]}
    users = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    assert conversations == [[system, users[0]], [system, users[0], answer, users[1]], [system, users[2]]]
    output = capsys.readouterr()
    assert output.out == "hm\n" * 3
    assert "prompt: too long; /new begins anew" in output.err
    assert "3 tokens of prompt, 1 of them kept" in output.err


def test_wrong_settings_are_refused_before_the_first_message(
    conversations: list[list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chat", "somewhere", "--temperature", "-1"]) == ExitCode.BAD_ARGUMENTS
    assert "text.temperature is -1.0" in capsys.readouterr().err
    assert conversations == []


@pytest.mark.parametrize(("words", "order"), [([], ["one", [[1, 2]]]), (["--question-last"], [[[1, 2]], "one"])])
def test_pictures_belong_to_the_first_message_of_each_conversation(
    words: list[str], order: list[Any], conversations: list[list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Media:
        frames = None

        def require_same_frames(self, vocabulary: Any) -> None:
            pass

        def encode(self, uri: str) -> list[list[int]]:
            return {"cat.png": [[1, 2]]}[uri]

    def take_media(options: dict[str, Any], command: str, needed_by: str | None) -> Media:
        return Media()

    monkeypatch.setattr(module, "take_media", take_media)
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n/new\none\n"))
    assert main(["chat", "somewhere", "--show", "cat.png", *words]) == 0
    assert [[each["content"] for each in messages if each["role"] == "user"] for messages in conversations] == [
        [order],
        [order, "two"],
        [order],
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--question-last"], "--question-last: there is no picture to ask about: give --show FILE"),
        (["--show", "cat.png", "--template", "tokenizer"], "only the template lwm has a place for pictures"),
        (["--show", "cat.png"], "--vision-tokenizer is missing for --show: give FILE"),
    ],
)
def test_pictures_that_have_no_place_are_refused_before_the_model_is_loaded(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chat", "somewhere", *words]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
