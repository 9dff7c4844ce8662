"""Docstrings and names stay plain: what a search of the whole repository can hold."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("benchmarks", "cli", "devcluster", "operator", "quickstart", "tests", "tools", "trainer")
EMPTY_NAMES = {"asked", "found", "here", "looked", "said", "stuff", "thing", "things", "told"}
"""Local names that do not say what they hold."""


def files() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def test_no_docstring_begins_with_of_and_no_local_hides_what_it_holds() -> None:
    problems = []
    for name, tree in files():
        for node in ast.walk(tree):
            match node:
                case ast.Expr(value=ast.Constant(value=str() as text)) if text.startswith("Of "):
                    problems.append(f"{name}:{node.lineno}: a docstring begins with Of: put the subject first")
                case ast.Name(id=word, ctx=ast.Store()) | ast.arg(arg=word) if word in EMPTY_NAMES:
                    problems.append(f"{name}:{node.lineno}: {word}: name what it holds")
    assert problems == []
