import re

import pytest

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.graphwalks import GraphwalksSettings, GraphwalksSuite, at_distance, f1, parents
from support.letter_tokens import text_of, tokenize

GRAPH = {"a": ["b", "c"], "b": ["a", "d"], "c": ["d", "b"], "d": ["e", "a"], "e": ["a", "b"]}


def test_distance_is_that_of_the_shortest_way_and_exact() -> None:
    assert at_distance(GRAPH, "a", 1) == {"b", "c"}
    assert at_distance(GRAPH, "a", 2) == {"d"}  # b is nearer, although c leads to it
    assert at_distance(GRAPH, "a", 3) == {"e"}
    assert at_distance(GRAPH, "a", 4) == set()
    assert parents(GRAPH, "b") == {"a", "c", "e"}


@pytest.mark.parametrize("distance", [1, 3])
def test_the_answer_follows_from_the_edges_of_the_prompt(distance: int) -> None:
    made = GraphwalksSuite(GraphwalksSettings(lengths=(3000,), distance=distance, samples=3), tokenize)
    for key in made.question_keys():
        question = made.question(key)
        text = text_of(question.prompt)
        edges = re.findall(r"(\w{8}) -> (\w{8})\n", text)
        graph: dict[str, list[str]] = {}
        for node, to in edges:
            graph.setdefault(node, []).append(to)
        assert all(node != to for node, to in edges)
        assert len(edges) == len(set(edges)) == 2 * len(graph)
        node = question.details["node"]
        asks_for_parents = "Which nodes have an edge" in text
        assert asks_for_parents == (key.variant == "parents")
        assert set(question.expected) == (parents(graph, node) if asks_for_parents else at_distance(graph, node, distance))
        assert question.expected
        assert 2000 < len(question.prompt) + made.answer_tokens <= 3000
        assert question.chance == f1(set(question.expected), set(graph))
        assert made.score(question.expected, ", ".join(question.expected)) == 1


def test_the_score_is_f1_of_the_names() -> None:
    made = GraphwalksSuite(GraphwalksSettings(lengths=(3000,)), tokenize)
    assert made.score(("aa", "bb"), "aa, cc]") == pytest.approx(0.5)
    assert made.score(("aa", "bb"), "Final answer: [bb, aa]") == 1
    assert made.score(("aa", "bb"), "none") == 0
    with pytest.raises(SuiteError, match="--distance is 5: give 1 to 4"):
        GraphwalksSuite(GraphwalksSettings(lengths=(3000,), distance=5), tokenize)
