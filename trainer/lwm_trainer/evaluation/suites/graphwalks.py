"""`graphwalks`: a long list of edges, and which nodes lie at a distance from a node, or lead to it.

The task is that of OpenAI's GraphWalks: a directed graph of hexadecimal names; `bfs` asks for the nodes at a distance of exactly N edges,
`parents` for those with an edge to a node. Score, as published: F1 of the sets of names.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Way, prompt_room, sample_keys, seeded

HEAD = "Below is a directed graph as a list of edges. Each line is one edge, from the first node to the second.\n\n"
TAILS = {
    "bfs": "\nWhich nodes are at a distance of exactly {distance} edges from {node} by the shortest way, no nearer and no farther?",
    "parents": "\nWhich nodes have an edge that leads to {node}?",
}
FORM = ' Answer with one line, "Final answer: [name, name, ...]".\nFinal answer: ['
OUT_EDGES = 2
"""Edges that leave a node."""
NAME_DIGITS = 8

Graph = Mapping[str, Sequence[str]]
"""A node to those that its edges lead to."""


@dataclass(frozen=True, kw_only=True)
class GraphwalksSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    variants: tuple[str, ...] = ("bfs", "parents")
    distance: int = 2
    """Edges between the node and those that `bfs` asks for."""
    samples: int = 10
    """Graphs of each length and variant."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SuiteError for a distance whose answers could be too long."""
        if not 1 <= self.distance <= 4:
            raise SuiteError(f"--distance is {self.distance}: give 1 to 4; at 4 an answer has up to {OUT_EDGES**4} nodes")


class GraphwalksSuite:
    """Asks for sets of nodes. The guess names every node of the graph."""

    name = "graphwalks"
    version = 1
    ways: tuple[Way, ...] = ("generated",)
    answer_tokens = 256
    stop = ("]", "\n")

    def __init__(self, settings: GraphwalksSettings, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return sample_keys(self._settings.lengths, self._settings.variants, self._settings.samples)

    def question(self, key: Key) -> Question:
        draw = seeded(self.name, self._settings.seed, *key)
        tail = TAILS[key.variant].format(distance=self._settings.distance, node="0" * NAME_DIGITS) + FORM
        reserved = len(self._tokenize(tail)) + NAME_DIGITS
        names: list[str] = []

        def text_of(count: int) -> str:
            """Edges of the right number and form: which ones is drawn when the number of nodes is known."""
            while len(names) < count:
                names.append(f"{draw.getrandbits(4 * NAME_DIGITS):0{NAME_DIGITS}x}")
            return HEAD + edge_lines({name: names[: min(OUT_EDGES, count - 1)] for name in names[:count]})

        room = prompt_room(key.length, self.answer_tokens) - reserved
        _, count = fill_prompt(text_of, room, 4, self._tokenize, "nodes")
        while True:
            graph = draw_graph(draw, list(dict.fromkeys(names[:count])))
            node, expected = self._draw_node(draw, graph, key.variant)
            text = HEAD + edge_lines(graph, draw) + TAILS[key.variant].format(distance=self._settings.distance, node=node) + FORM
            prompt = self._tokenize(text)
            if len(prompt) <= prompt_room(key.length, self.answer_tokens):
                break
            count -= max(1, count // 100)  # the drawn names take more tokens than those that were counted
        return Question(
            prompt=prompt,
            expected=tuple(sorted(expected)),
            chance=f1(set(expected), set(graph)),
            details={"nodes": len(graph), "node": node},
        )

    def _draw_node(self, draw: random.Random, graph: Graph, variant: str) -> tuple[str, set[str]]:
        """A node that has an answer, and the answer. There is one: every graph has edges, and nodes that some lead to."""
        for node in draw.sample(sorted(graph), len(graph)):
            if nodes := at_distance(graph, node, self._settings.distance) if variant == "bfs" else parents(graph, node):
                return node, nodes
        raise SuiteError(f"--distance {self._settings.distance}: a graph of {len(graph)} nodes has none so far apart: use a longer length")

    def score(self, expected: Sequence[str], answer: str) -> float:
        """F1 of the names in the first list of the answer, which may open its bracket itself."""
        return f1(set(expected), set(re.findall(r"[0-9a-f]+", answer.rpartition("[")[2].partition("]")[0].lower())))


def draw_graph(draw: random.Random, names: Sequence[str]) -> Graph:
    """Each node has edges to other nodes, never to itself and never two to one."""
    graph = {}
    for number, name in enumerate(names):
        others = draw.sample(range(len(names) - 1), min(OUT_EDGES, len(names) - 1))
        graph[name] = [names[other + (other >= number)] for other in others]
    return graph


def edge_lines(graph: Graph, draw: random.Random | None = None) -> str:
    """A line for each edge, shuffled where there is a generator."""
    lines = [f"{node} -> {to}\n" for node, ends in graph.items() for to in ends]
    if draw is not None:
        draw.shuffle(lines)
    return "".join(lines)


def at_distance(graph: Graph, node: str, distance: int) -> set[str]:
    """The nodes whose shortest way from `node` has exactly so many edges."""
    known, level = {node}, {node}
    for _ in range(distance):
        level = {to for one in level for to in graph[one]} - known
        known |= level
    return level


def parents(graph: Graph, node: str) -> set[str]:
    """The nodes with an edge to `node`."""
    return {one for one, ends in graph.items() if node in ends}


def f1(expected: set[str], given: set[str]) -> float:
    """The harmonic mean of precision and recall; 0 where nothing is right."""
    right = len(expected & given)
    return 2 * right / (len(expected) + len(given)) if right else 0.0
