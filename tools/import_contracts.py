"""Import contracts as allow-lists. `pyproject.toml` registers both types with import-linter.

Type `packages`: one line for each direct child of a package, with everything that the child may import:

    package = "lwm_trainer"
    allow = ["config: pydantic", "storage: config google"]

Words after the colon are children of the same package, third-party packages, or dotted modules of another package of ours, such as
`lwm_trainer.config`, with all below them. The package's own `__init__.py` imports nothing. A child without a line, a line without a child,
a word that no import uses, and children that may import each other in a cycle are errors, so that the list stays exact and says in which
order the layers stand. The standard library is always allowed.

Type `standard_library`: the modules of the standard library that `source_modules`, with all below them, may import:

    source_modules = ["lwm_operator.plan"]
    allow = ["dataclasses", "datetime"]
"""

import sys
from graphlib import CycleError, TopologicalSorter
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowListContract(Contract):
    """A contract whose check finds sentences for the reader, one for each problem."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the signature is import-linter's
        problems = self.problems(graph)
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def problems(self, graph: ImportGraph) -> list[str]:
        raise NotImplementedError

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in cast("list[str]", check.metadata["problems"]):
            output.print_error(problem)


class PackagesContract(AllowListContract):
    """Every child of `package` imports only what its line in `allow` names, and `package` itself imports nothing."""

    type_name = "packages"

    package = fields.StringField()
    allow = fields.ListField(subfield=fields.StringField())

    def problems(self, graph: ImportGraph) -> list[str]:
        package = cast("str", self.package)
        allowed = parse_lines(cast("list[str]", self.allow))
        children = {child.removeprefix(f"{package}.") for child in graph.find_children(package)}
        problems = [f"{child}: add a line for this package" for child in sorted(children - allowed.keys())]
        problems += [f"{child}: there is no such package, remove its line" for child in sorted(allowed.keys() - children)]
        problems += _cycles(allowed)
        for imported in sorted(graph.find_modules_directly_imported_by(package)):
            problems.append(f"{_place(graph, package, imported)} imports {imported}: an __init__.py with children imports nothing")
        for child in sorted(children & allowed.keys()):
            problems += _line_problems(graph, package, child, allowed[child])
        return problems


class StandardLibraryContract(AllowListContract):
    """`source_modules` import only those modules of the standard library that `allow` names."""

    type_name = "standard_library"

    source_modules = fields.ListField(subfield=fields.StringField())
    allow = fields.ListField(subfield=fields.StringField())

    def problems(self, graph: ImportGraph) -> list[str]:
        allowed = set(cast("list[str]", self.allow))
        used: set[str] = set()
        problems = []
        for source in cast("list[str]", self.source_modules):
            for importer in sorted({source} | graph.find_descendants(source)):
                for imported in sorted(graph.find_modules_directly_imported_by(importer) & sys.stdlib_module_names):
                    used.add(imported)
                    if imported not in allowed:
                        problems.append(f"{_place(graph, importer, imported)} imports {imported}: move what needs it to another package")
        return problems + [f"allow: no source module imports {module}: remove it" for module in sorted(allowed - used)]


def parse_lines(lines: list[str]) -> dict[str, set[str]]:
    """["step: config model"] to {"step": {"config", "model"}}. Raises ValueError for a line without a colon or a child with two lines."""
    allowed: dict[str, set[str]] = {}
    for line in lines:
        child, colon, words = line.partition(":")
        if not colon or child.strip() in allowed:
            raise ValueError(f"allow: {line!r}: write one line for each package, as `package: what it may import`")
        allowed[child.strip()] = set(words.split())
    return allowed


def _cycles(allowed: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter({child: words & allowed.keys() for child, words in allowed.items()}).prepare()
    except CycleError as error:
        return [f"cycle of packages: {' -> '.join(reversed(error.args[1]))}"]
    return []


def _line_problems(graph: ImportGraph, package: str, child: str, words: set[str]) -> list[str]:
    """A sentence for each import of the child that no word of its line allows, and for each word that allows no import."""
    name = f"{package}.{child}"
    used: set[str] = set()
    problems = []
    for importer in sorted({name} | graph.find_descendants(name)):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            if _inside(imported, name) or imported.split(".")[0] in sys.stdlib_module_names:
                continue
            allowing = {word for word in words if _inside(imported, word) or _inside(imported, f"{package}.{word}")}
            used |= allowing
            if not allowing:
                place = _place(graph, importer, imported)
                problems.append(f"{place} imports {imported}: allow it in the line of {child}, or move the code")
    return problems + [f"{child}: nothing in this package imports {word}, remove the word from its line" for word in sorted(words - used)]


def _place(graph: ImportGraph, importer: str, imported: str) -> str:
    """The importing module with the lines of the import."""
    lines = sorted({detail["line_number"] for detail in graph.get_import_details(importer=importer, imported=imported)})
    return f"{importer} (line {', '.join(map(str, lines))})"


def _inside(module: str, ancestor: str) -> bool:
    return f"{module}.".startswith(f"{ancestor}.")
