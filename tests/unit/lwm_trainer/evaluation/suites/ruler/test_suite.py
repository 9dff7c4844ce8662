"""Every task against RULER's definition: what the prompt holds, what is expected, and the score."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lwm_trainer.evaluation.suite import Key, Question, SuiteError
from lwm_trainer.evaluation.suites.ruler.documents import Entry, read_entries
from lwm_trainer.evaluation.suites.ruler.suite import QA, TASKS, RulerSettings, RulerSuite
from support.letter_tokens import text_of, tokenize

LENGTH = 16_000
SAYING = "It is said that {0} is Person {0}. "
ENTRIES = [Entry(f"Who is {number}?", (f"Person {number}",), (SAYING.format(number) * 5,)) for number in range(120)]


def texts() -> Iterator[str]:
    yield "".join(f"Sentence {number} says nothing. " for number in range(2000))


@cache
def suite() -> RulerSuite:
    settings = RulerSettings(lengths=(LENGTH,), tasks=(*TASKS, QA), samples=2, haystack="texts", questions="q")
    return RulerSuite(settings, texts, ENTRIES, tokenize)


def question(task: str, number: int = 0) -> tuple[Question, str]:
    made = suite().question(Key(LENGTH, task, None, number))
    return made, text_of(made.prompt)


@pytest.mark.parametrize("task", [*TASKS, QA])
def test_every_prompt_fills_the_length_and_the_expected_answer_scores_one(task: str) -> None:
    made, _ = question(task, 1)
    assert 0.85 * LENGTH < len(made.prompt) + suite().answer_tokens <= LENGTH
    assert suite().score(made.expected, f"It is {', '.join(made.expected[1:]).upper()}!") == 1
    assert suite().score(made.expected, "I do not know") == 0
    assert (made.prompt == question(task, 1)[0].prompt).all()


NUMBER, UUID, WORDS = r"\d{7}", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}", r"[a-z]+-[a-z]+"


@pytest.mark.parametrize(
    ("task", "key", "value", "placed", "wanted"),
    [
        ("niah_single_1", WORDS, NUMBER, 1, 1),
        ("niah_single_2", WORDS, NUMBER, 1, 1),
        ("niah_single_3", WORDS, UUID, 1, 1),
        ("niah_multikey_1", WORDS, NUMBER, 4, 1),
        ("niah_multikey_2", WORDS, NUMBER, None, 1),
        ("niah_multikey_3", UUID, UUID, None, 1),
        ("niah_multivalue", WORDS, NUMBER, 4, 4),
        ("niah_multiquery", WORDS, NUMBER, 4, 4),
    ],
)
def test_needles_have_the_form_and_number_of_the_task(task: str, key: str, value: str, placed: int | None, wanted: int) -> None:
    made, text = question(task)
    needles = re.findall(rf"One of the special magic \w+ for ({key}) is: ({value})\.", text)
    assert len(needles) == placed if placed else len(needles) > 20
    (keys,) = re.findall(r"What are all the special magic \w+ for (.+) in the text above\?", text)
    names = re.split(", | and ", keys)
    assert len(names) == (4 if task == "niah_multiquery" else 1)
    assert sorted(hidden for name, hidden in needles if name in names) == sorted(made.expected[1:])
    assert len(made.expected) - 1 == wanted
    assert ("The river runs on." in text) == (task == "niah_single_1")
    assert ("says nothing." in text) == (placed is not None and task != "niah_single_1")


@pytest.mark.parametrize(("task", "chains"), [("vt", 1), ("vt_two_chains", 2)])
def test_variables_are_those_that_the_value_reaches_through_four_hops(task: str, chains: int) -> None:
    made, text = question(task)
    _, body = text.split("\n\nUSER: ")
    values: dict[str, str] = {}
    for name, source in re.findall(r"VAR ([A-Z]{5}) = (?:VAR )?(\w+)\.", body):
        values[name] = values.get(source, source)
    assert len(values) == 5 * chains
    (asked_value,) = re.findall(r"Which variables in the text above have the value (\d{5})", body)
    assert {name for name, value in values.items() if value == asked_value} == set(made.expected[1:])
    assert made.chance == 1 / chains


@pytest.mark.parametrize(("length", "common", "rare"), [(LENGTH, 30, 3), (3000, 6, 1)])
def test_common_words_stand_thirty_times_and_others_three_times(length: int, common: int, rare: int) -> None:
    made = suite().question(Key(length, "cwe", None, 0))
    body = text_of(made.prompt).split("\n\nUSER: ")[1]
    items = re.findall(r"(\d+)\. ([a-z]+)", body)
    assert [int(number) for number, _ in items] == list(range(1, len(items) + 1))
    counts = Counter(word for _, word in items)
    assert {word for word, count in counts.items() if count == common} == set(made.expected[1:])
    assert set(counts.values()) == {common, rare}
    assert len(made.expected) == 11


def test_frequent_words_are_ranks_two_to_four_of_a_zeta_distribution() -> None:
    made, text = question("fwe")
    body = text.partition("dots.\n\n")[2].partition("\n\n")[0].split(" ")
    (dots, most), *ranked = Counter(body).most_common()
    assert dots == "..."
    assert tuple(word for word, _ in ranked[:3]) == made.expected[1:]
    for rank, (word, count) in enumerate(ranked[:4], start=2):
        assert len(word) == 6
        assert count == pytest.approx(most / rank**2, abs=1.5)


def test_questions_stand_among_documents_of_others() -> None:
    made, text = question(QA)
    number = made.expected[1].split()[1]
    assert f"It is said that {number} is Person {number}." in text
    assert f"Question: Who is {number}?" in text
    documents = re.findall(r"Document (\d+):", text)
    assert len(documents) > 10
    assert suite().score((QA, "a", "b"), "only B") == 1


def test_the_file_of_questions_is_read_strictly(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps({"question": "Who?", "answers": ["I"], "documents": ["I came."]}) + "\n\n")
    assert read_entries(file) == [Entry("Who?", ("I",), ("I came.",))]
    for line, message in (("{", "q.jsonl:1: "), ('{"question": "Who?", "answers": []}', "q.jsonl:1: 'documents'"), ("", "holds no line")):
        file.write_text(line + "\n")
        with pytest.raises(SuiteError, match=message):
            read_entries(file)


def test_tasks_without_their_data_are_refused_with_the_option() -> None:
    for task, message in (("niah_single_2", "name one by --haystack"), ("qa", "needs --questions FILE"), ("x", "--tasks: x: give some of")):
        with pytest.raises(SuiteError, match=message):
            RulerSuite(RulerSettings(lengths=(LENGTH,), tasks=(task,)), texts, [], tokenize)
