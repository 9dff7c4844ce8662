"""Chats about documents: chunks, then pairs, within the length of an example; the same ones however records come."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.config import PrepareConfig, Questions
from lwm_trainer.config.dataset import Dataset
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records import shards as record_shards
from lwm_trainer.data.records.record import BadRecord, Record
from lwm_trainer.preparation.preparation_report import PreparationReport, progress_line
from lwm_trainer.preparation.worker import prepare
from lwm_trainer.questions.records import QuestionRecords
from lwm_trainer.storage.folder import folder
from quickstart.sample_texts import books
from quickstart.tokenizer.train import PATH, PIECES

SETTINGS = {"tokens": 1024, "chunkTokens": 200}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(str(PATH), PIECES)


def made(tokenizer: Tokenizer, **changes: Any) -> QuestionRecords:
    settings = Questions.model_validate(SETTINGS | changes)
    return QuestionRecords(Dataset(name="a", kind="qa", uri="/a", qa=settings), settings, tokenizer)


def record(text: str, number: int = 1) -> Record:
    return Record("/a/b.jsonl", number, number, {"text": text}, 7, "b.jsonl")


def test_chunks_end_between_words_and_are_the_text(tokenizer: Tokenizer) -> None:
    text = books()["08-ruth.txt"]
    chunks = made(tokenizer).cut(text)
    assert "".join(chunks) == text
    assert all(chunk[-1].isspace() for chunk in chunks[:-1])
    assert max(len(tokens) for tokens in tokenizer.tokenize(chunks)) <= 220
    assert made(tokenizer).cut("x" * 900)[0][0] == "x"


def test_an_example_has_chunks_then_pairs_in_another_order_and_fits(tokenizer: Tokenizer) -> None:
    records = made(tokenizer)
    chats = [chat for chat in records.chats([record(books()["08-ruth.txt"])]) if isinstance(chat, Record)]
    chunks = len(records.cut(books()["08-ruth.txt"]))
    assert chunks / 2 - 2 <= len(chats) <= chunks / 2, "two chunks have room beside their pairs; an example without a pair is none"
    assert sum(records.counts.values()) == chunks
    questions = []
    for chat in chats:
        messages = chat.fields["messages"]
        assert [each["role"] for each in messages] == ["user", "assistant"] * (len(messages) // 2)
        document, _, question = messages[0]["content"].rpartition("\n\n")
        assert "follows the words" in question
        for answer in messages[1::2]:
            assert answer["content"] in document
        questions += [question, *(each["content"] for each in messages[2::2])]
        (tokens,) = tokenizer.tokenize([" ".join(each["content"] for each in messages)])
        assert len(tokens) <= 1024 - 40
    assert len(questions) == records.counts["kept"] == len(set(questions))
    assert [chat.size for chat in chats] == [len(chat.fields["messages"][0]["content"].rpartition("\n\n")[0].encode()) for chat in chats]


def test_pairs_are_dropped_once_per_shard_and_bad_records_pass_in_their_order(tokenizer: Tokenizer) -> None:
    records = made(tokenizer)
    text = "And so it was that all the days of Adam were many."
    bad = BadRecord("/a/b.jsonl", 3, "broken")
    chats = list(records.chats([record(text), record(text, 2), bad, record("  ", 4), record("nothing to ask about here", 5)]))
    assert [type(each) for each in chats] == [Record, BadRecord, BadRecord]
    assert "the document is empty" in str(chats[2])
    assert records.counts == {"kept": 1, "duplicate": 1, "none": 1}
    twice = f"{text} " + "and they spoke with one another of many things " * 20 + text
    assert list(records.chats([record(twice)])) == []
    assert records.counts == {"ambiguous": 2}


def test_a_store_of_questions_is_the_same_whoever_makes_it_and_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_shards, "MIN_SHARD_BYTES", 4000)
    (tmp_path / "source").mkdir()
    texts = [books()[name][:9000] for name in ("08-ruth.txt", "32-jonah.txt")]
    (tmp_path / "source" / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))

    def config(root: str, workers: int) -> PrepareConfig:
        dataset = {"name": "a", "kind": "qa", "uri": f"{tmp_path}/source", "qa": SETTINGS}
        fields = {"training": "t", "dataset": dataset, "tokenizer": str(PATH), "vocab_size": PIECES, "root": f"{tmp_path}/{root}"}
        return PrepareConfig.model_validate({**fields, "workers": workers})

    report = PreparationReport()
    one = prepare(config("one", 1), 0, report)
    assert one is not None
    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(prepare, config("two", 2), number, PreparationReport(), poll_seconds=0.01) for number in (1, 0)]
        again = workers[1].result()
    assert again is not None
    files = [folder(each.uri) for each in (one, again)]
    assert files[0].names() == files[1].names()
    for name in files[0].names() - {"prepared.json"}:
        assert files[0].read(name) == files[1].read(name), name
    assert one.questions["kept"] >= 8
    assert f"questions: kept {one.questions['kept']}" in progress_line(report.now())
    store = TokenStore(files[0], "/a")
    assert store.prepared.questions == one.questions
