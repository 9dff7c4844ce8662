"""The suite `ruler`: its tasks by name, and the two rules by which their answers are scored."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from lwm_trainer.evaluation.haystack import HaystackRounds, Texts
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Tokens, Way, prompt_room, sample_keys, seeded
from lwm_trainer.evaluation.suites.ruler import counting, retrieval, tracing
from lwm_trainer.evaluation.suites.ruler.documents import DocumentQuestions, Entry
from lwm_trainer.evaluation.suites.ruler.task import Draw, Make

TASKS: dict[str, Make] = {**retrieval.TASKS, **tracing.TASKS, **counting.TASKS}
QA = "qa"
TEXT_TASKS = tuple(name for name, task in retrieval.TASKS.items() if task.haystack == "text")
"""Tasks that need a haystack of the user's."""
DEFAULT_TASKS = tuple(name for name in TASKS if name not in (*TEXT_TASKS, "vt_two_chains"))


@dataclass(frozen=True, kw_only=True)
class RulerSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    tasks: tuple[str, ...] = DEFAULT_TASKS
    samples: int = 10
    """Questions of each length and task; RULER has 500."""
    haystack: str = ""
    """Where the texts of TEXT_TASKS come from; empty: nowhere."""
    haystack_field: str = "text"
    questions: str = ""
    """The file of `qa`; empty: none."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SuiteError for tasks that there are not, and for those without the data that they need."""
        if wrong := [task for task in self.tasks if task not in (*TASKS, QA)]:
            raise SuiteError(f"--tasks: {', '.join(wrong)}: give some of {', '.join((*TASKS, QA))}")
        if not self.haystack and (needing := [task for task in self.tasks if task in TEXT_TASKS]):
            raise SuiteError(f"--tasks: {', '.join(needing)} hide needles in a text: name one by --haystack")
        if QA in self.tasks and not self.questions:
            raise SuiteError("--tasks: qa needs --questions FILE, lines of JSON with question, answers and documents")


class RulerSuite:
    """Asks the questions of RULER's tasks."""

    name = "ruler"
    version = 1
    ways: tuple[Way, ...] = ("generated",)
    answer_tokens = 128
    """As RULER has it for retrieval; its other tasks give 30 to 120, which a stricter budget of ours would cut for other tokenizers."""
    stop = ("USER:", "\n\n")

    def __init__(self, settings: RulerSettings, texts: Texts, entries: Sequence[Entry], tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._rounds = HaystackRounds(texts, tokenize)
        self._makers: dict[str, Make] = {**TASKS, QA: DocumentQuestions(entries)}

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        """Samples of one number share a text, so that it is read once."""
        keys = sample_keys(self._settings.lengths, self._settings.tasks, self._settings.samples)
        return sorted(keys, key=lambda key: (self._settings.lengths.index(key.length), key.number))

    def question(self, key: Key) -> Question:
        draw = Draw(
            random=self._seeded(key),
            length=key.length,
            room=prompt_room(key.length, self.answer_tokens),
            tokenize=self._tokenize,
            text=lambda: self._text(key),
        )
        sample = self._makers[key.variant](draw)
        return Question(prompt=sample.prompt, expected=(key.variant, *sample.expected), chance=sample.chance)

    def score(self, expected: Sequence[str], answer: str) -> float:
        """The share of expected texts that the answer holds, whatever their case; of `qa`, whether it holds any of them."""
        task, *texts = expected
        hits = [text.lower() in answer.lower() for text in texts]
        return float(any(hits)) if task == QA else sum(hits) / len(hits)

    def _seeded(self, key: Key) -> Random:
        return seeded(self.name, self._settings.seed, *key)

    def _text(self, key: Key) -> Sequence[Tokens]:
        return self._rounds.take(key.length, key.number, lambda number: self._room(key.length, number))

    def _room(self, length: int, number: int) -> int:
        """Tokens of the text of a number, beside the longest of the tasks that use it."""
        tasks = [(name, retrieval.TASKS[name]) for name in self._settings.tasks if name in TEXT_TASKS]
        parts = [task.parts(self._seeded(Key(length, name, None, number))) for name, task in tasks]
        sizes = [sum(len(self._tokenize(text)) for text in (each.head, *each.facts, each.tail)) for each in parts]
        return prompt_room(length, self.answer_tokens) - max(sizes)
