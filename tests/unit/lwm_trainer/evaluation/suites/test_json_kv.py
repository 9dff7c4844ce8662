import json

from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from support.letter_tokens import text_of, tokenize


def test_the_object_is_json_fills_the_length_and_holds_what_is_asked_for_at_its_depth() -> None:
    made = JsonKvSuite(JsonKvSettings(lengths=(600, 2000), depths=(0.0, 0.5, 1.0), rounds=2), tokenize)
    prefixes = set()
    for key in made.question_keys():
        question = made.question(key)
        text = text_of(question.prompt)
        prefix, _, tail = text.partition("\n\nKey: ")
        prefixes.add(prefix)
        pairs = json.loads(prefix[prefix.index("{") :])
        name = tail.partition('"')[2].partition('"')[0]
        assert question.expected == (pairs[name],)
        assert question.chance == 1 / len(pairs)
        assert list(pairs).index(name) == min(int((key.depth or 0) * len(pairs)), len(pairs) - 1)
        assert key.length - 120 < len(question.prompt) + made.answer_tokens <= key.length
        assert made.score(question.expected, pairs[name]) == 1
        assert made.score(question.expected, pairs[name] + "0") == 0
    assert len(prefixes) == 4
