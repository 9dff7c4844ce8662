"""The run config of an attempt: where it starts, its data sets and their settings."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.preparation import PreparationSpec, prepare_config
from lwm_operator.manifests.run_config import run_config
from lwm_trainer.config import OLDEST_CONTRACT_VERSION, Dataset, Haystack, Questions, RunConfig, Start
from simulation.builders import spec, stage, training
from unit.lwm_operator.manifests.attempt_manifests import run, supporting_object

VISION = {**spec()["model"], "vision": {"vocabSize": 64}}


def dataset(name: str = "books", kind: str = "text", **changes: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "source": {"uri": f"gs://lwm/{name}"}, **changes}


def run_of(number: int = 1, prepared: dict[str, str] | None = None, **changes: Any) -> RunConfig:
    whole = training(**changes)
    return run_config(AttemptSpec(training=whole, stage=number, attempt=1, start=Start(), image="i", template="t", prepared=prepared or {}))


def test_every_setting_of_a_data_set_reaches_the_trainer() -> None:
    spec_entry = dataset(
        kind="vision",
        source={"pvc": {"claimName": "shelf", "subPath": "clips"}, "files": "*.jsonl"},
        fields="[question],answer",
        chat={"template": "tokenizer"},
        frames={"tokensPerFrame": 4, "maxFrames": 8, "unconditional": 0.1},
        documents={"minTokens": 100, "maxTokens": 200, "overlong": "skip"},
        onBadRecord="skip",
    )
    (config_entry,) = run_of(model=VISION, datasets=[spec_entry]).datasets
    rest = {name: value for name, value in spec_entry.items() if name != "source"}
    assert config_entry == Dataset.model_validate({**rest, "uri": "/lwm/datasets/books/*.jsonl"})


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ({"uri": "gs://lwm/books"}, "gs://lwm/books"),
        ({"uri": "gs://lwm/books/*.jsonl"}, "gs://lwm/books/*.jsonl"),
        ({"uri": "gs://lwm/books/", "files": "19*/a.txt"}, "gs://lwm/books/19*/a.txt"),
        ({"pvc": {"claimName": "shelf"}}, "/lwm/datasets/books"),
    ],
)
def test_a_source_is_one_path_for_the_trainer(source: dict[str, Any], uri: str) -> None:
    assert run_of(datasets=[dataset(source=source)]).datasets[0].uri == uri


def test_the_steps_to_trace_reach_the_trainer() -> None:
    assert run_of().profile_steps == ()
    assert run_of(stages=[stage(profile={"steps": [3, 4]})]).profile_steps == (3, 4)


def test_the_trackers_reach_the_trainer() -> None:
    assert not run_of().trackers.tensorboard
    assert run_of(trackers={"tensorboard": True}).trackers.tensorboard


def test_a_ready_data_set_comes_with_its_token_store() -> None:
    config = run_of(prepared={"books": "gs://lwm/runs/datasets/00"}, datasets=[dataset(), dataset("poems")])
    assert [entry.prepared for entry in config.datasets] == ["gs://lwm/runs/datasets/00", None]


@pytest.mark.parametrize(
    ("mixtures", "model", "has_vision"),
    [
        (["text", "text vision", "chat"], VISION, [False, True, True]),
        (["vision", "text"], VISION, [True, True]),
        (["", "text"], VISION, [True, True]),  # without a mixture, all data sets are used
        (["text", "chat"], VISION, [True, True]),
        (["text", "text"], spec()["model"], [False, False]),
        (["text", "vision"], VISION | {"initFrom": {"uri": "gs://lwm/begun"}}, [True, True]),  # its checkpoint may have a vision vocabulary
    ],
)
def test_a_model_has_its_vision_vocabulary_from_the_first_vision_stage_on(
    mixtures: list[str], model: dict[str, Any], has_vision: list[bool]
) -> None:
    kinds = [kind for kind in ("text", "chat", "vision") if any(kind in mixture for mixture in mixtures) or "" in mixtures]
    stages = [
        stage(f"s{number}", mixture=[{"dataset": name} for name in mixture.split()]) for number, mixture in enumerate(mixtures, start=1)
    ]
    changes: dict[str, Any] = {"model": model, "datasets": [dataset(kind, kind) for kind in kinds], "stages": stages}
    assert [run_of(number, **changes).model.vision is not None for number in range(1, len(stages) + 1)] == has_vision


def test_the_run_config_holds_the_whole_attempt() -> None:
    manifest = supporting_object("ConfigMap", stages=[stage(steps=None, tokens=4096 * 60), stage("next")])
    assert manifest["immutable"] is True
    config = RunConfig.model_validate_json(manifest["data"]["run.json"])
    assert (config.stage_index, config.stage_count, config.attempt, config.steps) == (0, 2, 3, 60)
    assert config.gang.coordinator == "bible-s1-a3-0.bible:8476"
    assert config.attempt_folder() == "gs://lwm/runs/default/bible-1a2b3c4d/s1-ctx512/a3"
    assert config.start == run().start
    assert [(dataset.name, dataset.weight) for dataset in config.datasets] == [("books", 1.0)]
    assert config.lease is not None
    assert config.lease.name == "bible-s1-a3"
    assert "stageIndex" in json.loads(manifest["data"]["run.json"])


def test_a_trainer_that_knows_adamw_alone_is_told_which_stages_it_cannot_run() -> None:
    for optimizer, oldest in (({"peakLearningRate": 0.5}, OLDEST_CONTRACT_VERSION), ({"name": "muon"}, 4)):
        config = RunConfig.model_validate_json(supporting_object("ConfigMap", stages=[stage(optimizer=optimizer)])["data"]["run.json"])
        assert config.min_reader_version == oldest


def test_the_suites_of_a_gate_have_the_place_of_their_texts_and_older_trainers_refuse_them() -> None:
    needle = {"suite": "needle", "lengths": [128, 512], "minScore": 0.75, "haystack": "held-out", "depths": 3}
    changes = {
        "datasets": [{"name": name, "source": {"uri": f"gs://lwm/{name}"}} for name in ("books", "held-out")],
        "stages": [stage(gate={"suites": [needle, {"suite": "json-kv", "lengths": [256], "minScore": 0.5}]})],
    }
    config = RunConfig.model_validate_json(supporting_object("ConfigMap", **changes)["data"]["run.json"])
    assert config.gate is not None
    first, second = config.gate.suites
    assert (first.lengths, first.depths, first.rounds, first.answers, first.min_score) == ((128, 512), 3, 1, "forced", 0.75)
    assert first.haystack == Haystack(uri="gs://lwm/held-out", field="text")
    assert (second.suite, second.depths, second.haystack) == ("json-kv", 5, None)
    assert (config.gate.max_validation_loss, config.min_reader_version) == (None, 5)
    others = [{"suite": "ruler", "lengths": [512], "minScore": 0.5, "tasks": ["vt"]}, {"suite": "mrcr", "lengths": [512], "minScore": 0.5}]
    changes["stages"] = [stage(gate={"suites": [others[0] | {"samples": 7}, others[1]]})]
    config = RunConfig.model_validate_json(supporting_object("ConfigMap", **changes)["data"]["run.json"])
    assert config.gate is not None
    first, second = config.gate.suites
    assert (first.tasks, first.samples, first.depths, first.rounds, first.answers) == (("vt",), 7, None, None, "generated")
    assert (second.tasks, second.samples, second.depths, second.answers) == (None, 10, None, "likeliest")
    validated: dict[str, Any] = {"validation": {"datasets": ["held-out"]}, "gate": {"maxValidationLoss": 3.0}}
    changes["stages"] = [stage(**validated)]
    config = RunConfig.model_validate_json(supporting_object("ConfigMap", **changes)["data"]["run.json"])
    assert config.min_reader_version == 4


def test_older_trainers_refuse_questions_in_stages_that_read_them_and_in_their_preparation() -> None:
    place = {"source": {"uri": "gs://lwm/books"}, "preparation": {"workers": 1}}
    sets = [{"name": "plain", **place}, {"name": "asked", "kind": "qa", "qa": {"tokens": 4096}, **place}]
    for dataset, oldest in (("plain", OLDEST_CONTRACT_VERSION), ("asked", 5)):
        changes: dict[str, Any] = {"datasets": sets, "stages": [stage(mixture=[{"dataset": dataset}])]}
        config = RunConfig.model_validate_json(supporting_object("ConfigMap", **changes)["data"]["run.json"])
        assert config.min_reader_version == oldest
        number = [each["name"] for each in sets].index(dataset) + 1
        preparation = PreparationSpec(training=training(**changes), number=number, run=0, image="t:1", template="t")
        assert prepare_config(preparation).min_reader_version == oldest
        assert prepare_config(preparation).dataset.qa == (None if dataset == "plain" else Questions(tokens=4096))


def test_a_mixture_chooses_its_data_sets() -> None:
    changes = {
        "datasets": [{"name": name, "source": {"uri": f"gs://lwm/{name}"}} for name in ("a", "b", "c")],
        "stages": [stage(mixture=[{"dataset": "c", "weight": 3}, {"dataset": "a"}])],
    }
    config = RunConfig.model_validate_json(supporting_object("ConfigMap", **changes)["data"]["run.json"])
    assert {dataset.name: dataset.weight for dataset in config.datasets} == {"a": 1.0, "c": 3.0}


def test_a_held_out_data_set_is_validated_on_and_no_default_mixture_trains_on_it() -> None:
    stages = [stage(name="a"), stage(name="b", validation={"datasets": ["poems"], "intervalSteps": 7, "batches": 3})]
    datasets, prepared = [dataset(), dataset("poems")], {"poems": "gs://lwm/runs/datasets/00"}
    first, second = (run_of(number, prepared, datasets=datasets, stages=stages) for number in (1, 2))
    assert [entry.name for entry in (*first.datasets, *second.datasets)] == ["books", "books"]
    assert (first.validation, second.validation is None) == (None, False)
    assert second.validation is not None
    assert (second.validation.interval_steps, second.validation.batches) == (7, 3)
    assert [(entry.name, entry.uri, entry.prepared) for entry in second.validation.datasets] == [
        ("poems", "gs://lwm/poems", "gs://lwm/runs/datasets/00")
    ]


def test_where_an_attempt_starts_is_written_as_planned_and_the_model_does_not_depend_on_it() -> None:
    changes = {"model": spec()["model"] | {"initFrom": {"uri": "gs://lwm/llama/"}}, "stages": [stage("a"), stage("b")]}
    first = run(**changes)
    assert run_config(first).start == first.start
    assert run_config(replace(first, stage=2)).start == first.start
    assert run_config(first).model == run_config(run()).model, "manifests compare it"
