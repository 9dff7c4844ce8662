"""The proof's documents: real text between which marks of eight kinds stand, and what is asked of them at the end."""

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from lwm_trainer.data.encoding.chat import SYSTEM
from lwm_trainer.evaluation.haystack import sentences
from lwm_trainer.evaluation.suite import seeded
from quickstart.sample_texts import books, chats
from quickstart.storage import HELD_OUT_EVERY
from quickstart.tokenizer.train import train

KINDS = {
    "fruit": "banana mango papaya lemon cherry kiwi plum coconut".split(),
    "animal": "tiger zebra panda penguin giraffe walrus hamster koala".split(),
    "city": "London Paris Tokyo Chicago Moscow Berlin Madrid Lima".split(),
    "tool": "screwdriver wrench drill pliers chisel lathe crowbar clamp".split(),
    "colour": "orange violet pink turquoise magenta beige maroon lilac".split(),
    "music": "violin piano guitar banjo cello clarinet oboe tuba".split(),
    "sport": "tennis hockey golf rugby cricket boxing judo polo".split(),
    "drink": "coffee cocoa whisky cider lemonade soda brandy punch".split(),
}
"""What is asked for, and its answers. No answer is a word of the books."""
PIECES, REPEATS = 1024, 6000
"""Pieces of the tokenizer, and how often its texts have the words above, so that each is one piece."""
FACT, QUESTION = "\n# {kind} {word}\n", "\n# {kind}"
SHORTEST = 96
"""Tokens of a document, at least."""
RECALL_FIELDS = ",".join(f"[{name}],a{number}" for number, name in enumerate(["text", *(f"q{n}" for n in range(1, len(KINDS)))]))
"""Answers count in the loss, nothing else does."""
DOCUMENTS = {256: 6000, 1024: 1500, 2048: 1500}
"""Recall documents of each length. All are shorter, by a drawn factor."""
TRAINED_EVERY = 4
"""So many books make more tokens than a run reads of them."""
NAIVE_CHATS = 20
"""Chats of a text that is cut into rows, in which a chat sees those before it."""

Sentence = tuple[str, int]
"""A sentence and its number of tokens."""


class Fact(NamedTuple):
    """A mark in a text."""

    kind: str
    word: str

    @property
    def line(self) -> str:
        return FACT.format(kind=self.kind, word=self.word)

    @property
    def question(self) -> str:
        return QUESTION.format(kind=self.kind)


def draw_facts(draw: random.Random) -> list[Fact]:
    """A mark of each kind, in drawn order."""
    return [Fact(kind, draw.choice(KINDS[kind])) for kind in draw.sample(sorted(KINDS), len(KINDS))]


def split_books() -> tuple[dict[str, str], dict[str, str]]:
    """The books that are trained on, one of TRAINED_EVERY, and those that are held out, as in the quickstart."""
    every = list(books().items())
    held_out = dict(every[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
    others = [(name, text) for name, text in every if name not in held_out]
    return dict(others[::TRAINED_EVERY]), held_out


@cache
def make_tokenizer() -> Tokenizer:
    """A small BPE of the books, in which every word of KINDS is a piece."""
    words = " ".join(word for kind, answers in KINDS.items() for word in [kind, *answers])
    return train([*books().values(), *[f" {words}"] * REPEATS], PIECES)


def recall_record(source: Sequence[Sentence], longest: int, around: int, *seed: object) -> dict[str, str]:
    """A record: `text` of sentences and marks, then a question (`q1`, …; the first one ends `text`) and an answer (`a0`, …) for each mark.

    Args:
        source: sentences of books, from a drawn one on.
        longest: tokens of the whole, at most; the length is drawn, evenly in its logarithm.
        around: tokens of marks, questions and answers.
    """
    draw = seeded("recall", longest, *seed)
    facts, length = draw_facts(draw), round(SHORTEST * (longest / SHORTEST) ** draw.random())
    place, room, taken = draw.randrange(len(source)), length - around, list[str]()
    while source[place][1] <= room:
        taken.append(source[place][0])
        room -= source[place][1]
        place = (place + 1) % len(source)
    pieces, begin = [], 0
    for end, fact in zip(sorted(draw.randrange(len(taken) + 1) for _ in facts), facts, strict=True):
        pieces += [*taken[begin:end], fact.line]
        begin = end
    reordered = draw.sample(facts, len(facts))
    record = {"text": "".join([*pieces, *taken[begin:], reordered[0].question])}
    record |= {f"q{number}": fact.question for number, fact in enumerate(reordered) if number}
    return record | {f"a{number}": f" {fact.word}" for number, fact in enumerate(reordered)}


def recall_records(longest: int, documents: int) -> Iterator[dict[str, Any]]:
    """Records about the books that are trained on."""
    tokenizer = make_tokenizer()
    texts = list(sentences(split_books()[0].values()))
    source = [(text, len(encoding.ids)) for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True)]
    facts = draw_facts(seeded("around"))
    around = sum(len(tokenizer.encode(fact.line + fact.question + " " + fact.word).ids) for fact in facts) + len(facts)
    for number in range(documents):
        yield recall_record(source, longest, around, number)


def chat_records(together: int, conversations: Sequence[Sequence[dict[str, str]]]) -> Iterator[dict[str, Any]]:
    """Chats as records of fields, so many one behind the other in each: a model that reads them sees the earlier ones from the later."""
    for first in range(0, len(conversations), together):
        record: dict[str, Any] = {}
        line = []
        for number, messages in enumerate(conversations[first : first + together]):
            line += ["<|eos|>", "[<|bos|>]"] if number else []
            for turn, message in enumerate(messages):
                name = f"t{number}x{turn}"
                of_user = message["role"] == "user"
                record[name] = (
                    (f"{SYSTEM} " * (turn == 0) or " ") + f"USER: {message['content']} ASSISTANT:" if of_user else f" {message['content']}"
                )
                line.append(f"[{name}]" if of_user else name)
        yield {**record, "fields": ",".join(line)}


def write_data(folder: Path) -> None:
    """Write all that the proof trains on and is judged by; the same bytes every time."""
    trained, held_out = split_books()
    for name, texts in (("books", trained), ("held-out", held_out)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (folder / name / file).write_text(text, encoding="utf-8")
    make_tokenizer().save(str(folder / "tokenizer.json"))
    for longest, documents in DOCUMENTS.items():
        _write_lines(folder / f"recall-{longest}", recall_records(longest, documents))
    conversations = chats()
    _write_lines(folder / "chats-held-out", chat_records(1, conversations[::10]))
    others = [chat for number, chat in enumerate(conversations) if number % 10]
    seeded("chats").shuffle(others)  # so that the one before is no help
    _write_lines(folder / "chats-masked", chat_records(1, others))
    _write_lines(folder / "chats-naive", chat_records(NAIVE_CHATS, others))


def _write_lines(folder: Path, records: Iterator[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "records.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
