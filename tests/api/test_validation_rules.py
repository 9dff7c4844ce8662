"""Each rule of the CRD on a real API server: one refusal with its message, one admission that comes as near as it can."""

import pytest

from lwm_operator.cluster.client import ApiError, Client
from simulation.builders import stage
from support.api_requests import manifest, refusal, submit
from support.validation_rules import RULES


@pytest.mark.parametrize("name", RULES)
async def test_each_rule_refuses_and_admits(client: Client, namespace: str, name: str) -> None:
    wrong, message, right = RULES[name]
    assert message in await refusal(client, manifest(namespace, **wrong))
    assert await refusal(client, manifest(namespace, **right)) == ""


@pytest.mark.parametrize(("bad", "good"), [("a" * 41, "a" * 40), ("a.b", "a-b"), ("1st", "first")])
async def test_names_become_host_names(client: Client, namespace: str, bad: str, good: str) -> None:
    assert "metadata.name must be at most 40 characters" in await refusal(client, manifest(namespace, bad))
    assert await refusal(client, manifest(namespace, good)) == ""


async def test_a_misspelt_field_is_named(client: Client, namespace: str) -> None:
    with pytest.raises(ApiError, match=r'unknown field "spec.stages\[0\].contextlength"'):
        await submit(client, manifest(namespace, stages=[stage(contextlength=5)]))
