"""Which pairs are good enough to train on, and the names under which the others are counted.

Cheap filters come first. Whoever writes pairs by a model and checks them keeps a part of them only; the limits are ours.
"""

import re
from typing import Literal

from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.questions.pair import Pair
from lwm_trainer.questions.words import content_words, normal, sentences

Drop = Literal["malformed", "ungrounded", "overlapping", "duplicate", "ambiguous", "closedBook", "disagreeing"]
"""malformed: not one question and a short answer. ungrounded: the answer is not in the chunk. overlapping: the question repeats its
evidence. duplicate: as an earlier pair of the shard. ambiguous: the words it quotes stand in the example more than once. closedBook: the
generator answers it without the chunk. disagreeing: with the chunk, it gives another answer."""

QUESTION_TOKENS, ANSWER_TOKENS = 96, 60
"""Tokens of a question and of an answer, at most."""
MOST_OVERLAP = 0.8
"""Share of the evidence's words that may stand in the question."""
_POINTS_AT_CHUNK = re.compile(r"\b(passage|excerpt|paragraph|chunk|snippet|text above|above text)\b", re.IGNORECASE)


def drop_reason(pair: Pair, chunk: str, tokenizer: Tokenizer) -> Drop | None:
    """Why a pair is dropped by itself; None where it is kept."""
    question, answer = pair.question.strip(), pair.answer.strip()
    if not question.endswith("?") or not normal(answer) or _POINTS_AT_CHUNK.search(question):
        return "malformed"
    lengths = [len(tokens) for tokens in tokenizer.tokenize([question, answer])]
    if lengths[0] > QUESTION_TOKENS or lengths[1] > ANSWER_TOKENS:
        return "malformed"
    if not is_grounded(answer, chunk):
        return "ungrounded"
    return "overlapping" if overlap(pair, chunk) > MOST_OVERLAP else None


def is_grounded(answer: str, chunk: str) -> bool:
    """Whether all numbers and at least half of the other words of the answer stand in the chunk."""
    wanted, present = content_words(answer), set(normal(chunk).split())
    numbers = {word for word in wanted if word[0].isdigit()}
    return numbers <= present and 2 * len(wanted & present) >= len(wanted)


def overlap(pair: Pair, chunk: str) -> float:
    """The share of the words of the evidence that stand in the question. The evidence is the sentence most like question and answer."""
    about = content_words(f"{pair.question} {pair.answer}")
    evidence = max((content_words(sentence) for sentence in sentences(chunk)), key=lambda present: len(present & about), default=set())
    return len(evidence & content_words(pair.question)) / len(evidence) if evidence else 0.0
