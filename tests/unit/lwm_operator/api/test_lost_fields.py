"""What was applied and is no longer in the object, as far as Kubernetes' records tell."""

import json
from typing import Any

import pytest

from lwm_operator.api.lost_fields import LAST_APPLIED, find_lost_fields
from simulation.builders import body, spec, stage

FORMER = spec(
    checkpoint={"uri": "gs://lwm/runs", "everySteps": 20, "keep": 3},
    stages=[stage(loss={"zWeight": 1e-4}), stage("ctx1024", memory={"remat": "qkv", "accumulation": 2})],
)
LOST = ("checkpoint.everySteps", "checkpoint.keep", "stages[ctx512].loss.zWeight", "stages[ctx1024].memory.accumulation")


def stored(**metadata: Any) -> dict[str, Any]:
    """A training of two stages as the present CRD returns it."""
    result = body(stages=[stage(), stage("ctx1024")])
    return result | {"metadata": result["metadata"] | metadata}


def last_applied(applied: Any) -> dict[str, Any]:
    return {"annotations": {LAST_APPLIED: json.dumps({"spec": applied})}}


def fields(value: Any) -> dict[str, Any]:
    """The set of fields of a value, as managedFields holds it."""
    if isinstance(value, dict):
        return {f"f:{name}": fields(child) for name, child in value.items()}
    if isinstance(value, list):
        return {f"k:{json.dumps({'name': item['name']})}": {".": {}, **fields(item)} for item in value}
    return {}


def entry(operation: str, applied: Any, **changes: Any) -> dict[str, Any]:
    return {"manager": "somebody", "operation": operation, "fieldsV1": {"f:spec": fields(applied)}, **changes}


RECORDS = {
    "kubectl apply": last_applied(FORMER),
    "server-side apply": {"managedFields": [entry("Apply", FORMER)]},
    "kubectl create": {"managedFields": [entry("Update", FORMER)]},
}


@pytest.mark.parametrize("record", RECORDS)
def test_every_record_of_what_was_applied_names_the_fields(record: str) -> None:
    assert set(find_lost_fields(stored(**RECORDS[record]))) == set(LOST)


def test_each_field_is_named_once() -> None:
    both = last_applied(FORMER) | {"managedFields": [entry("Apply", FORMER)]}
    assert find_lost_fields(stored(**both)) == LOST


def test_nothing_is_lost_of_an_object_of_this_version() -> None:
    present = spec(stages=[stage(), stage("ctx1024")])
    assert find_lost_fields(stored()) == ()
    assert find_lost_fields(stored(**last_applied(present))) == ()
    assert find_lost_fields(stored(managedFields=[entry("Apply", present), entry("Update", present)])) == ()


def test_what_the_object_has_is_not_lost_though_it_is_unknown() -> None:
    newer = spec(stages=[stage(experts={"count": 8}), stage("ctx1024")], tolerance=1)
    assert find_lost_fields({**stored(**last_applied(newer)), "spec": newer}) == ()


def test_a_known_field_that_somebody_removed_since_and_one_that_is_null_are_not_lost() -> None:
    assert find_lost_fields(stored(**last_applied(spec(ttlSecondsAfterFinished=60, nonsense=None)))) == ()


def test_applied_again_with_present_names_nothing_is_lost_whatever_other_writers_wrote() -> None:
    old_writer = entry("Update", FORMER, manager="kubectl-create")
    assert find_lost_fields(stored(managedFields=[old_writer])) != ()
    assert find_lost_fields(stored(managedFields=[old_writer], **last_applied(spec()))) == ()
    assert find_lost_fields(stored(managedFields=[old_writer, entry("Apply", spec())])) == ()


def test_status_is_the_operators_and_says_nothing_of_the_spec() -> None:
    record = entry("Apply", FORMER, subresource="status")
    assert find_lost_fields(stored(managedFields=[record])) == ()


@pytest.mark.parametrize("text", ["", "[]", '"spec"', '{"spec": 7}'])
def test_an_annotation_that_is_no_object_says_nothing(text: str) -> None:
    assert find_lost_fields(stored(annotations={LAST_APPLIED: text})) == ()
