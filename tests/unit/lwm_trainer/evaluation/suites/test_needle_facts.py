import re

import pytest

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.needle_facts import LANDMARKS, PEOPLE, draw_needles, landmark_facts

SMALL_WORDS = {"in", "the", "to", "of"}


def test_the_same_seed_draws_the_same_needles_and_no_city_twice() -> None:
    needles = draw_needles(100, 7)
    assert needles == draw_needles(100, 7) != draw_needles(100, 8)
    assert len({needle.city for needle in needles}) == 100
    with pytest.raises(SuiteError, match="each names a city of its own"):
        draw_needles(1000, 7)


def test_no_landmark_or_person_comes_twice_and_none_shares_a_word_with_a_question() -> None:
    facts = landmark_facts(len(LANDMARKS), 7)
    assert len({fact.answer for fact in facts}) == len({fact.sentence for fact in facts}) == len({fact.question for fact in facts})
    for fact in facts:
        words, asks = (set(re.findall(r"\w+", text.lower())) - SMALL_WORDS for text in (fact.sentence, fact.question))
        assert not words & asks
    assert len(PEOPLE) == len(set(PEOPLE)) >= len(LANDMARKS)
    with pytest.raises(SuiteError, match="each names a landmark of its own"):
        landmark_facts(len(LANDMARKS) + 1, 7)
