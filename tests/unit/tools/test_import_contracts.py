"""The allow-lists refuse whatever they do not name, and name nothing that is not used."""

import grimp
import pytest

from tools.import_contracts import PackagesContract, StandardLibraryContract, parse_lines

ALLOW = ["base: pydantic", "top: base other.config jax"]
IMPORTS = [
    ("house.top", "house.base.inner"),
    ("house.top", "other.config.names"),
    ("house.top", "jax"),
    ("house.base.inner", "os"),
    ("house.base.inner", "house.base"),
    ("house.base", "pydantic"),
]
"""Uses every word of ALLOW."""


def graph_of(*imports: tuple[str, str]) -> grimp.ImportGraph:
    graph = grimp.ImportGraph()
    for module in ("house", "house.base", "house.base.inner", "house.top"):
        graph.add_module(module)
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported, line_number=3, line_contents="import it")
    return graph


def problems(allow: list[str], *imports: tuple[str, str]) -> list[str]:
    options = {"package": "house", "allow": allow}
    contract = PackagesContract(name="packages", session_options={"root_package": "house"}, contract_options=options)
    reported: list[str] = contract.check(graph_of(*imports), verbose=False).metadata["problems"]
    return reported


def standard_library_problems(allow: list[str], *imports: tuple[str, str]) -> list[str]:
    options = {"source_modules": ["house.base"], "allow": allow}
    contract = StandardLibraryContract(name="pure", session_options={"root_package": "house"}, contract_options=options)
    reported: list[str] = contract.check(graph_of(*imports), verbose=False).metadata["problems"]
    return reported


def test_what_a_line_names_is_allowed_with_all_below_and_so_is_the_standard_library() -> None:
    assert problems(ALLOW, *IMPORTS) == []


@pytest.mark.parametrize("imported", ["house", "house.top", "jax", "other.config", "pydantics"])
def test_anything_else_is_refused_with_module_and_line(imported: str) -> None:
    (problem,) = problems(ALLOW, *IMPORTS, ("house.base.inner", imported))
    assert problem == f"house.base.inner (line 3) imports {imported}: allow it in the line of base, or move the code"


def test_a_part_of_another_package_is_not_all_of_it() -> None:
    assert len(problems(ALLOW, *IMPORTS, ("house.top", "other.configuration"), ("house.top", "other"))) == 2


@pytest.mark.parametrize("imported", ["house.base", "jax", "os"])
def test_the_package_itself_imports_nothing(imported: str) -> None:
    (problem,) = problems(ALLOW, *IMPORTS, ("house", imported))
    assert problem == f"house (line 3) imports {imported}: an __init__.py with children imports nothing"


def test_a_word_that_no_import_uses_is_refused() -> None:
    without_jax = [pair for pair in IMPORTS if pair[1] != "jax"]
    assert problems(ALLOW, *without_jax) == ["top: nothing in this package imports jax, remove the word from its line"]


def test_every_package_has_a_line_and_every_line_a_package() -> None:
    assert problems(["base:"]) == ["top: add a line for this package"]
    assert problems([*ALLOW, "attic: base"], *IMPORTS) == ["attic: there is no such package, remove its line"]


def test_packages_in_a_cycle_are_refused_before_anyone_imports() -> None:
    problem, *_ = problems(["base: top", "top: base"])
    assert problem.startswith("cycle of packages: ")


@pytest.mark.parametrize("lines", [["base pydantic"], ["base: a", "base: b"]])
def test_a_malformed_list_is_an_error(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="write one line for each package"):
        parse_lines(lines)


def test_a_pure_package_imports_only_the_listed_standard_modules() -> None:
    uses_re = ("house.base.inner", "re")
    assert standard_library_problems(["re"], uses_re, ("house.base", "jax"), ("house.top", "socket")) == []
    assert standard_library_problems(["re"], uses_re, ("house.base.inner", "socket")) == [
        "house.base.inner (line 3) imports socket: move what needs it to another package"
    ]
    assert standard_library_problems(["json", "re"], uses_re) == ["allow: no source module imports json: remove it"]
