"""The example on other storage."""

from pathlib import Path

import pytest

from lwm_operator.api.spec import Spec
from quickstart.options import EXAMPLE
from quickstart.storage import example_objects
from quickstart.training import Manifest, in_bucket, on_claim, read


@pytest.fixture
def example() -> Manifest:
    return read(EXAMPLE)


def test_on_a_claim_every_place_is_the_folder_of_its_name_and_nothing_else_changes(example: Manifest) -> None:
    placed = on_claim(example, "shelf")
    spec = Spec.model_validate(placed["spec"])
    places = [spec.tokenizer.pvc, *(dataset.source.pvc for dataset in spec.datasets), spec.checkpoint.pvc]
    assert [(place.claim_name, place.sub_path) for place in places if place] == [
        ("shelf", "tokenizer"),
        ("shelf", "books"),
        ("shelf", "held-out-books"),
        ("shelf", "runs"),
    ]
    assert "gs://" not in str(placed)
    assert spec.checkpoint.endpoint is None
    storage = ("tokenizer", "datasets", "checkpoint")
    assert {k: v for k, v in placed["spec"].items() if k not in storage} == {k: v for k, v in example["spec"].items() if k not in storage}
    assert (spec.checkpoint.save_interval_steps, spec.checkpoint.max_to_keep, spec.datasets[0].name) == (10, 2, "books")
    assert {name.partition("/")[0] for name in example_objects()} == {"tokenizer", "books", "held-out-books"}, "as mounted"


def test_a_claim_of_one_node_keeps_all_pods_there(example: Manifest) -> None:
    example["spec"]["podTemplate"] = {"env": [{"name": "A", "value": "b"}]}
    placed = on_claim(example, "shelf", {"kubernetes.io/hostname": "one"})
    assert placed["spec"]["podTemplate"] == {"env": [{"name": "A", "value": "b"}], "nodeSelector": {"kubernetes.io/hostname": "one"}}
    assert "nodeSelector" not in example["spec"]["podTemplate"], "the example itself stays as it is"


def test_in_a_bucket_of_ones_own_only_its_name_changes_and_google_serves_it(example: Manifest) -> None:
    placed = in_bucket(example, "mine")
    expected = (
        Path(EXAMPLE).read_text().replace("gs://lwm/", "gs://mine/").replace("    endpoint: http://fake-gcs.lwm-storage.svc:4443\n", "")
    )
    import yaml

    assert placed == yaml.safe_load(expected)
