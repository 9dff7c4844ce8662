"""The suite with functions that answer in a known way."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lwm_trainer.evaluation.needle_map import draw_needle_map
from lwm_trainer.evaluation.needle_suite import NeedleSettings, SuiteError, cells, run_needles
from lwm_trainer.evaluation.needles import Tokens

SETTINGS = NeedleSettings(lengths=(800, 1600), depths=(0.0, 0.5, 1.0), rounds=2)
FACT = r"magic {} number is: (\d+)"


def tokenize(text: str) -> Tokens:
    return np.frombuffer(text.encode("utf-32-le"), np.int32)


def texts() -> Iterator[str]:
    yield "".join(f"Sentence {number} says nothing. " for number in range(400))


class Reader:
    """Answers from the last `window` letters of the prompt, and keeps the prompts."""

    def __init__(self, window: int) -> None:
        self.window, self.prompts = window, list[str]()

    def __call__(self, prompt: Tokens) -> str:
        text = prompt.tobytes().decode("utf-32-le")
        self.prompts.append(text)
        (city,) = re.findall(r"What is the special magic (\w+) number", text)
        facts = re.findall(FACT.format(city), text[-self.window :])
        return f" {facts[0]}" if facts else " I do not know"


def run(settings: NeedleSettings, ask: Reader, results: Path) -> list[tuple[int, float, int, int]]:
    return [cell[:4] for cell in cells(list(run_needles(settings, "model", texts, tokenize, ask, results)))]


def test_who_reads_all_finds_all_and_who_reads_the_end_finds_what_stands_there(tmp_path: Path) -> None:
    everywhere = [(length, depth, 2, 2) for length in SETTINGS.lengths for depth in SETTINGS.depths]
    assert run(SETTINGS, Reader(10**6), tmp_path / "all") == everywhere
    assert run(SETTINGS, Reader(600), tmp_path / "end") == [
        (length, depth, 2, 2 if depth == 1 or (depth == 0.5 and length == 800) else 0) for length, depth, *_ in everywhere
    ]


def test_questions_of_a_haystack_share_its_text_and_rounds_have_others(tmp_path: Path) -> None:
    reader = Reader(10**6)
    run(SETTINGS, reader, tmp_path / "all")
    haystacks = [prompt.partition(" What is the special")[0] for prompt in reader.prompts]
    assert len(haystacks) == 12
    assert haystacks[0] == haystacks[1] == haystacks[2]
    assert len(set(haystacks)) == 4
    first, second = (set(re.findall(r"Sentence \d+", haystacks[number])) for number in (0, 3))
    assert not first & second
    assert all(len(prompt) + 32 <= length for prompt, length in zip(reader.prompts, [800] * 6 + [1600] * 6, strict=True))
    single = Reader(10**6)
    run(NeedleSettings(lengths=(800,), depths=(0.0, 1.0), single=True), single, tmp_path / "single")
    assert [prompt.count("number is:") for prompt in single.prompts] == [1, 1]


def test_an_interrupted_suite_asks_only_what_is_missing_and_ends_the_same(tmp_path: Path) -> None:
    whole = run(SETTINGS, Reader(600), tmp_path / "whole")
    lines = (tmp_path / "whole").read_text().splitlines(keepends=True)
    (tmp_path / "torn").write_text("".join(lines[:6]) + lines[6][:20])
    rest = Reader(600)
    assert run(SETTINGS, rest, tmp_path / "torn") == whole
    assert len(rest.prompts) == 12 - 5
    assert sorted((tmp_path / "torn").read_text().splitlines()) == sorted((tmp_path / "whole").read_text().splitlines())
    with pytest.raises(SuiteError, match="another checkpoint or other settings"):
        run(NeedleSettings(lengths=(800,), depths=(0.5,)), rest, tmp_path / "torn")
    assert json.loads(lines[0])["suite"] == "needle"


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    questions = list(run_needles(SETTINGS, "model", texts, tokenize, Reader(600), tmp_path / "answers"))
    draw_needle_map(cells(questions), "needles", tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
