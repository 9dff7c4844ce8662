"""The proof's documents: every mark is asked for once, at the end, and nothing else tells it."""

import pytest

from lwm_trainer.data.encoding.field_language import parse
from quickstart.proof.data import FACT, KINDS, RECALL_FIELDS, chat_records, recall_record, split_books
from quickstart.sample_texts import chats

SOURCE = [(f" Sentence {number} is here.", 6) for number in range(40)]
AROUND = 80


@pytest.fixture(scope="module")
def records() -> list[dict[str, str]]:
    return [recall_record(SOURCE, 1024, AROUND, number) for number in range(50)]


def test_every_mark_of_a_text_is_asked_for_once_in_another_order(records: list[dict[str, str]]) -> None:
    orders = set()
    for record in records:
        questions = [record["text"], *(record[f"q{number}"] for number in range(1, len(KINDS)))]
        kinds = [question.rsplit("\n# ", 1)[1] for question in questions]
        assert sorted(kinds) == sorted(KINDS)
        for number, kind in enumerate(kinds):
            assert FACT.format(kind=kind, word=record[f"a{number}"].strip()) in record["text"]
        places = [record["text"].index(f"\n# {kind} ") for kind in kinds]
        orders.add(places == sorted(places))
    assert orders == {False}


def test_a_record_is_the_same_every_time_and_as_long_as_was_drawn(records: list[dict[str, str]]) -> None:
    assert recall_record(SOURCE, 1024, AROUND, 3) == records[3]
    sentences = [record["text"].count("Sentence") for record in records]
    assert 6 * max(sentences) <= 1024 - AROUND
    assert max(sentences) > 100
    assert min(sentences) < 10


def test_answers_alone_count_in_the_loss() -> None:
    fields = parse(RECALL_FIELDS)
    assert [field.names[0][0] for field in fields if field.in_loss] == ["a"] * len(KINDS)
    assert [field.names[0] for field in fields[:3]] == ["text", "a0", "q1"]


def test_no_answer_is_a_word_of_the_books_and_none_of_them_is_held_out_and_trained_on() -> None:
    trained, held_out = split_books()
    assert not set(trained) & set(held_out)
    words = set(" ".join([*trained.values(), *held_out.values()]).replace(",", " ").replace(".", " ").split())
    assert not words & {word for answers in KINDS.values() for word in answers}


def test_naive_chats_have_the_texts_of_masked_ones_and_their_ends_between() -> None:
    conversations = chats()[:6]
    masked, (naive, _) = list(chat_records(1, conversations)), chat_records(3, conversations)
    assert len(masked) == 6
    texts = [text for name, text in naive.items() if name != "fields"]
    assert texts == [text for record in masked[:3] for name, text in record.items() if name != "fields"]
    assert naive["fields"].count("<|eos|>,[<|bos|>]") == 2
    assert [field.in_loss for field in parse(masked[0]["fields"])] == [False, True] * 4
