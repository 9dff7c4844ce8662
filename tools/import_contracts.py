"""An import contract as an allow-list: one line for each room of a package, with everything that the room may import.

A room is a direct child of the package, a module or a folder of modules. `pyproject.toml` registers the contract with import-linter as
type `rooms`:

    package = "lwm_trainer"
    allow = ["config: pydantic", "storage: config google"]

Words after the colon are rooms of the same package, third-party packages, or dotted modules of another package of ours, such as
`lwm_trainer.config`, with all below them. The standard library is always allowed. A room without a line, a line without a room, and rooms
that may import each other in a circle are errors, so that the list stays complete and says in which order rooms stand.
"""

import sys
from graphlib import CycleError, TopologicalSorter
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class RoomsContract(Contract):
    """Every room of `package` imports only what its line in `allow` names."""

    type_name = "rooms"

    package = fields.StringField()
    allow = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the signature is import-linter's
        package = cast("str", self.package)
        allowed = parse_lines(cast("list[str]", self.allow))
        rooms = {child.removeprefix(f"{package}.") for child in graph.find_children(package)}
        problems = [f"{room}: add a line for this room" for room in sorted(rooms - allowed.keys())]
        problems += [f"{room}: there is no such room, remove its line" for room in sorted(allowed.keys() - rooms)]
        problems += _circles(allowed)
        for room in sorted(rooms & allowed.keys()):
            problems += _forbidden_imports(graph, package, room, allowed[room])
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in cast("list[str]", check.metadata["problems"]):
            output.print_error(problem)


def parse_lines(lines: list[str]) -> dict[str, set[str]]:
    """["step: config model"] to {"step": {"config", "model"}}. Raises ValueError for a line without a colon or a room with two lines."""
    allowed: dict[str, set[str]] = {}
    for line in lines:
        room, colon, words = line.partition(":")
        if not colon or room.strip() in allowed:
            raise ValueError(f"allow: {line!r}: write one line for each room, as `room: what it may import`")
        allowed[room.strip()] = set(words.split())
    return allowed


def _circles(allowed: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter({room: words & allowed.keys() for room, words in allowed.items()}).prepare()
    except CycleError as error:
        return [f"rooms in a circle: {' -> '.join(reversed(error.args[1]))}"]
    return []


def _forbidden_imports(graph: ImportGraph, package: str, room: str, words: set[str]) -> list[str]:
    """A sentence for each import of the room that no word of its line allows, with file lines."""
    name = f"{package}.{room}"
    problems = []
    for importer in sorted({name} | graph.find_descendants(name)):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            if _inside(imported, name) or _is_allowed(imported, package, words):
                continue
            lines = sorted({detail["line_number"] for detail in graph.get_import_details(importer=importer, imported=imported)})
            place = f"{importer} (line {', '.join(map(str, lines))})"
            problems.append(f"{place} imports {imported}: allow it in the line of {room}, or move the code")
    return problems


def _is_allowed(module: str, package: str, words: set[str]) -> bool:
    if module.split(".")[0] in sys.stdlib_module_names:
        return True
    return any(_inside(module, word) or _inside(module, f"{package}.{word}") for word in words)


def _inside(module: str, ancestor: str) -> bool:
    return f"{module}.".startswith(f"{ancestor}.")
