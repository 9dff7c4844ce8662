"""Operator and trainer of neighbouring versions read each other, and refuse each other with a sentence where they cannot."""

import pytest
from pydantic import ValidationError

from lwm_trainer.config import CONTRACT_VERSION, OLDEST_CONTRACT_VERSION, ContractError, PrepareConfig, RunConfig
from support.builders import a_run

RUN = a_run()


def written(**changes: object) -> str:
    """A run config as another version writes it."""
    return RUN.model_copy(update=changes).model_dump_json(by_alias=True)


def test_fields_of_a_newer_operator_are_ignored_and_named() -> None:
    newer = written()[:-1] + ', "sieve": {"loss": 2.5}}'
    newer = newer.replace('"optimizer":{', '"optimizer":{"lookahead":5,')
    assert RunConfig.read_config(newer) == RUN
    assert sorted(RunConfig.unknown_fields(newer)) == ["optimizer.lookahead", "sieve"]
    assert RunConfig.unknown_fields(written()) == []


def test_fields_that_an_older_operator_does_not_write_have_their_defaults() -> None:
    assert RunConfig.read_config(RUN.model_dump_json(by_alias=True, exclude_defaults=True)) == RUN


def test_a_record_is_not_made_with_fields_that_nobody_declared() -> None:
    with pytest.raises(ValidationError, match="sieve"):
        RunConfig.model_validate(RUN.model_dump() | {"sieve": 1})


def test_a_newer_operator_is_understood_unless_it_says_otherwise() -> None:
    newer = CONTRACT_VERSION + 1
    assert RunConfig.read_config(written(version=newer)) == RUN.model_copy(update={"version": newer})
    with pytest.raises(ContractError, match=f"^the operator has contract version {newer} and needs a trainer of version {newer} or newer"):
        RunConfig.read_config(written(version=newer, min_reader_version=newer))


def test_a_config_of_an_operator_that_is_too_old_says_so_whatever_else_is_in_it() -> None:
    for kind in (RunConfig, PrepareConfig):
        with pytest.raises(ContractError, match=f"this trainer needs {OLDEST_CONTRACT_VERSION} or newer: upgrade the operator's chart"):
            kind.read_config('{"version": 1, "checkpoint": {"everySteps": 5}}')
