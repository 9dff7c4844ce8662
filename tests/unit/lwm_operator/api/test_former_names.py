"""Former names of fields and values."""

from typing import Any

import pytest

from lwm_operator.api.crd import crd
from lwm_operator.api.former_names import FORMER_FIELDS, FORMER_REMAT, MOVED_FIELDS, present_name
from lwm_operator.api.training import parse_stored_training, parse_training
from simulation.builders import body, stage


def _schema_of(path: str) -> dict[str, Any]:
    """The schema of the object or list item at a path below spec, such as `stages[].loss`."""
    node: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for part in path.split("."):
        node = node["properties"][part.removesuffix("[]")]
        node = node["items"] if part.endswith("[]") else node
    return node


@pytest.mark.parametrize("path", FORMER_FIELDS)
def test_a_former_name_is_gone_and_the_present_one_is_there(path: str) -> None:
    parent, _, former = path.rpartition(".")
    fields = _schema_of(parent)["properties"]
    assert former not in fields
    assert FORMER_FIELDS[path] in fields


@pytest.mark.parametrize("path", MOVED_FIELDS)
def test_a_moved_field_is_gone_and_the_present_one_is_there(path: str) -> None:
    parent, _, former = path.rpartition(".")
    present_parent, _, present = MOVED_FIELDS[path].removeprefix("spec.").rpartition(".")
    assert former not in _schema_of(parent)["properties"]
    assert present in _schema_of(present_parent)["properties"]
    assert present_name(path) == MOVED_FIELDS[path]


def test_a_name_is_found_whatever_keys_the_list_items_have() -> None:
    assert present_name("stages[ctx512].loss.zWeight") == present_name("stages[0].loss.zWeight") == "zLossWeight"
    assert present_name("stages[ctx512].loss.weighting") is None


def test_stored_former_values_of_remat_are_read_as_the_present_ones_and_new_ones_are_refused() -> None:
    enum = _schema_of("stages[].memory")["properties"]["remat"]["enum"]
    for former, present in FORMER_REMAT.items():
        assert former not in enum
        assert present in enum
        stored = body(stages=[stage(memory={"remat": former, "mlpTile": 2})])
        memory = parse_stored_training(stored).spec.stages[0].memory
        assert (memory.remat, memory.mlp_tile) == (present, 2)
        with pytest.raises(ValueError, match="remat"):
            parse_training(stored)
