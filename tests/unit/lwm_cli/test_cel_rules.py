"""`lwm` refuses, without a cluster, what the API server refuses: the same table of rules, the same sentences."""

import json
from pathlib import Path
from typing import Any

import pytest

from lwm_cli.cel_rules import rule_errors
from lwm_cli.errors import FileError
from lwm_cli.training import load
from lwm_operator.api.crd import crd
from lwm_operator.api.rules import VALIDATIONS
from simulation.builders import body
from support.api_requests import manifest
from support.validation_rules import RULES


def rules(schema: Any) -> set[str]:
    """The messages of all CEL rules in a schema that apply to a new object."""
    if isinstance(schema, list):
        return {message for each in schema for message in rules(each)}
    if not isinstance(schema, dict):
        return set()
    own = {rule["message"] for rule in schema.get(VALIDATIONS, ()) if "oldSelf" not in rule["rule"]}
    return own | {message for child in schema.values() for message in rules(child)}


CEL = rules(crd())


def read(tmp_path: Path, changes: dict[str, Any]) -> str:
    """What `lwm` says of the file; empty when it takes it."""
    file = tmp_path / "training.yaml"
    file.write_text(json.dumps(manifest("default", **changes)))
    try:
        load(file)
    except FileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", RULES)
def test_each_rule_refuses_and_admits_as_on_the_api_server(tmp_path: Path, name: str) -> None:
    wrong, message, right = RULES[name]
    refusal = read(tmp_path, wrong)
    assert refusal.startswith(f"{tmp_path}/training.yaml:"), "it names file and line"
    sentence = message.partition("Invalid value: ")[2] or message
    if any(sentence in each for each in CEL):
        assert sentence in refusal
    assert list(rule_errors(body(**right))) == []


def test_a_rule_of_the_list_says_which_item_broke_it(tmp_path: Path) -> None:
    stages = RULES["tokens in whole batches"][0]["stages"]
    assert "training.yaml:1: spec.stages[0]: tokens must be a multiple of batchTokens" in read(tmp_path, {"stages": stages})
