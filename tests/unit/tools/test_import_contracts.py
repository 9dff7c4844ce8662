"""The allow-list of a package's rooms refuses whatever it does not name."""

import grimp
import pytest

from tools.import_contracts import RoomsContract, parse_lines

ALLOW = ["base: pydantic", "top: base other.config jax"]


def problems(allow: list[str], *imports: tuple[str, str]) -> list[str]:
    graph = grimp.ImportGraph()
    for module in ("house", "house.base", "house.base.inner", "house.top"):
        graph.add_module(module)
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported, line_number=3, line_contents="import it")
    contract = RoomsContract(name="rooms", session_options={"root_package": "house"}, contract_options={"package": "house", "allow": allow})
    reported: list[str] = contract.check(graph, verbose=False).metadata["problems"]
    return reported


def test_what_a_line_names_is_allowed_with_all_below_and_so_is_the_standard_library() -> None:
    imports = [("house.top", "house.base.inner"), ("house.top", "other.config.names"), ("house.top", "jax"), ("house.base.inner", "os")]
    assert problems(ALLOW, *imports, ("house.base.inner", "house.base"), ("house.base", "pydantic")) == []


@pytest.mark.parametrize("imported", ["house.top", "jax", "other.config", "pydantics"])
def test_anything_else_is_refused_with_module_and_line(imported: str) -> None:
    (problem,) = problems(ALLOW, ("house.base.inner", imported))
    assert problem == f"house.base.inner (line 3) imports {imported}: allow it in the line of base, or move the code"


def test_a_part_of_another_package_is_not_all_of_it() -> None:
    assert len(problems(ALLOW, ("house.top", "other.configuration"), ("house.top", "other"))) == 2


def test_every_room_has_a_line_and_every_line_a_room() -> None:
    assert problems(["base:"]) == ["top: add a line for this room"]
    assert problems([*ALLOW, "attic: base"]) == ["attic: there is no such room, remove its line"]


def test_rooms_in_a_circle_are_refused_before_anyone_imports() -> None:
    (problem,) = problems(["base: top", "top: base"])
    assert problem.startswith("rooms in a circle: ")


@pytest.mark.parametrize("lines", [["base pydantic"], ["base: a", "base: b"]])
def test_a_malformed_list_is_an_error(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="write one line for each room"):
        parse_lines(lines)
