"""RULER's questions about one of many documents, from a file of the user's: SQuAD for `qa_1`, HotpotQA for `qa_2`, or any other."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.ruler.task import Draw, Sample

HEAD = "You are a helpful assistant. USER: Answer the question from the following documents. Give the answer only.\n\n"
TAIL = "\n\nQuestion: {question} ASSISTANT: Answer:"
FORM = '{"question": "…", "answers": ["…"], "documents": ["…"]}'


class Entry(NamedTuple):
    """A line of the file."""

    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    """What the answer follows from: one document, or several."""


class DocumentQuestions:
    """Asks a line's question among its own documents and those of other lines. The guess knows nothing."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __call__(self, draw: Draw) -> Sample:
        entry = draw.random.choice(self._entries)
        pool = sorted({document for other in self._entries for document in other.documents} - set(entry.documents))
        draw.random.shuffle(pool)
        places = [draw.random.random() for _ in entry.documents]

        def text_of(count: int) -> str:
            chosen = pool[:count]
            for place, document in zip(places, entry.documents, strict=True):
                chosen.insert(int(place * (len(chosen) + 1)), document)
            numbered = "\n\n".join(f"Document {number}:\n{document}" for number, document in enumerate(chosen, 1))
            return HEAD + numbered + TAIL.format(question=entry.question)

        prompt, count = fill_prompt(text_of, draw.room, 0, draw.tokenize, "other documents", most=len(pool))
        if count == len(pool) and len(prompt) < draw.room / 2:
            raise SuiteError(
                f"--questions: all its documents have {len(prompt)} tokens together, less than half of the length {draw.length}: give more"
            )
        return Sample(prompt, entry.answers, 0.0)


def read_entries(file: Path) -> list[Entry]:
    """The lines of a file of JSON objects. Raises SuiteError, which names the line, and where there is none."""
    entries = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SuiteError(f"--questions {file}: byte {error.start} is not UTF-8: save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            texts = fields["question"], *fields["answers"], *fields["documents"]
            if not all(isinstance(text, str) and text for text in texts) or not fields["answers"] or not fields["documents"]:
                raise TypeError("a text is empty or missing")
            entries.append(Entry(fields["question"], tuple(fields["answers"]), tuple(fields["documents"])))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise SuiteError(f"--questions {file}:{number}: {error}: write a line as {FORM}") from error
    if not entries:
        raise SuiteError(f"--questions {file}: holds no line: write lines as {FORM}")
    return entries
