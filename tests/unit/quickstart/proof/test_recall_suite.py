"""The suite asks for every mark of a held-out text at its depth."""

import numpy as np
import pytest

from lwm_trainer.evaluation.suite import Tokens
from quickstart.proof.data import KINDS
from quickstart.proof.recall_suite import RecallSettings, RecallSuite, Wording

TEXT = " ".join(f"This is sentence number {number}." for number in range(2000))


def tokenize(text: str) -> Tokens:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32)


def read(tokens: Tokens) -> str:
    return bytes(tokens.astype(np.uint8)).decode()


def suite(wording: Wording = "trained") -> RecallSuite:
    return RecallSuite(RecallSettings(lengths=(800, 3000), rounds=2, wording=wording), lambda: iter([TEXT]), tokenize)


@pytest.mark.parametrize(
    ("wording", "fact", "question"), [("trained", "# {} {}\n", "\n# {}"), ("other", "The {} is: {}\n", "\nThe {} is:")]
)
def test_a_question_is_answered_by_its_text(wording: Wording, fact: str, question: str) -> None:
    made = suite(wording)
    for key in made.question_keys():
        made_question = made.question(key)
        text, (word,) = read(made_question.prompt), made_question.expected
        (kind,) = (kind for kind, answers in KINDS.items() if word in answers)
        assert text.endswith(question.format(kind))
        assert text.count(fact.format(kind, word)) == 1
        assert len(text) <= key.length - made.answer_tokens
        assert made_question.details["measured_depth"] == pytest.approx(key.depth, abs=0.35 if key.length < 1000 else 0.12)
        assert made.score(made_question.expected, made_question.reference or "") == 1


def test_questions_of_a_text_share_their_beginning_and_cover_all_kinds() -> None:
    made = suite()
    keys = [key for key in made.question_keys() if (key.length, key.number) == (3000, 1)]
    texts = [read(made.question(key).prompt) for key in keys]
    assert len({text.rpartition("\n#")[0] for text in texts}) == 1
    assert sorted(text.rpartition(" ")[2] for text in texts) == sorted(KINDS)
