from typing import Any

import pytest

from lwm_operator.plan.validation.validate import validate
from simulation.builders import spec, stage, training


def books(**changes: Any) -> dict[str, Any]:
    return {"name": "books", "source": {"uri": "gs://lwm/books"}, **changes}


def test_a_valid_spec_has_no_errors() -> None:
    assert validate(training().spec) == ()


POEMS = [books(), books(name="poems")]
MIXED = [{"dataset": "books"}, {"dataset": "poems"}]
MEDIA = {"tokenizer": "gs://lwm/vqgan.safetensors"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": [stage(mesh={"dp": 1})]}, ["spec.stages[ctx512].mesh", "the accelerator has 8"]),
        ({"stages": [stage(contextLength=514)]}, ["spec.stages[ctx512].contextLength"]),
        ({"stages": [stage(batchTokens=4097)]}, ["spec.stages[ctx512].batchTokens", "use 4096"]),
        ({"stages": [stage(batchTokens=512)]}, ["spec.stages[ctx512].batchTokens", "use a multiple of 2048"]),
        (
            {"stages": [stage(mesh={"dp": 1, "sp": 8, "ulysses": 4})]},
            ["spec.stages[ctx512].mesh.ulysses", "heads 2 / tp 1: use 1, 2, or leave"],
        ),
        ({"stages": [stage(steps=None)]}, ["spec.stages[ctx512].steps", "give steps"]),
        ({"stages": [stage(mixture=[{"dataset": "poems"}])]}, ["spec.stages[ctx512].mixture", "poems", "use one of books"]),
        ({"stages": [stage(validation={"datasets": ["poems"]})]}, ["spec.stages[ctx512].validation.datasets", "poems", "use one of books"]),
        ({"stages": [stage(validation={"datasets": ["books"]})]}, ["spec.stages[ctx512].mixture", "none is left to train on"]),
        (
            {"datasets": POEMS, "stages": [stage(mixture=MIXED), stage(name="late", validation={"datasets": ["poems"]})]},
            ["spec.stages[late].validation.datasets: stage ctx512 trains on data set poems, so it is not held out"],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "needle", "lengths": [512, 1024], "minScore": 1, "haystack": "poems"}]})]},
            [
                "spec.stages[ctx512].gate.suites[0].lengths: 1024 tokens are more than contextLength 512",
                "spec.stages[ctx512].gate.suites[0].haystack: data set poems is not in spec.datasets: use one of books",
            ],
        ),
        (
            {
                "datasets": [{"name": "books", "source": {"uri": "gs://lwm/books"}, "fields": "[title],text"}],
                "stages": [stage(gate={"suites": [{"suite": "needle", "lengths": [512], "minScore": 1, "haystack": "books"}]})],
            },
            ["gate.suites[0].haystack: data set books has no single field of text"],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "json-kv", "lengths": [512], "minScore": 1, "haystack": "books"}]})]},
            ["gate.suites[0].haystack: json-kv makes its own text: leave it out"],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "babilong", "lengths": [512], "minScore": 1}]})]},
            ["gate.suites[0].haystack: babilong hides its facts in it: name a data set of texts"],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "babilong", "lengths": [512, 512], "minScore": 1, "tasks": ["qa9", "qa9"]}]})]},
            [
                "gate.suites[0].tasks: qa9, qa9: use some of qa1, qa2, qa3",
                "gate.suites[0].tasks: qa9 is there more than once",
                "gate.suites[0].lengths: 512 is there more than once",
            ],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "ruler", "lengths": [512], "minScore": 1, "tasks": ["qa", "niah_single_2"]}]})]},
            [
                "gate.suites[0].tasks: qa: use some of niah_single_2,",
                "gate.suites[0].haystack: niah_single_2 hide needles in it: name a data set of texts",
            ],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "ruler", "lengths": [512], "minScore": 1, "haystack": "books"}]})]},
            ["gate.suites[0].haystack: no task of the suite uses it"],
        ),
        (
            {"stages": [stage(gate={"suites": [{"suite": "ruler", "lengths": [128, 512], "minScore": 1}]})]},
            ["gate.suites[0].lengths: 128 tokens have no room for a prompt beside an answer of up to 128: use longer ones"],
        ),
        (
            {"datasets": [{"name": "books", "source": {"uri": "gs://lwm/books"}, "kind": "qa", "qa": {"tokens": 600}, "fields": "[a],b"}]},
            [
                "spec.datasets[books].qa: questions are made by a preparation: set preparation.workers",
                "spec.datasets[books].qa.tokens: 600 do not hold a chunk of 1000 with its question: use 1240 or more",
                "spec.datasets[books].fields: kind qa reads plain text: name its fields without brackets",
            ],
        ),
        (
            {"datasets": [{"name": "books", "source": {"uri": "gs://lwm/books"}, "qa": {"tokens": 4096}, "preparation": {"workers": 1}}]},
            ["spec.datasets[books].qa: it is for kind qa, which needs it: set both or neither"],
        ),
        ({"stages": [stage(gate={"onFailure": "Fail"})]}, ["spec.stages[ctx512].gate: it has no condition"]),
        (
            {"stages": [stage(gate={"maxValidationLoss": 3})]},
            ["spec.stages[ctx512].gate.maxValidationLoss: it is a condition on the validation loss: add validation"],
        ),
        (
            {"stages": [stage(steps=40, profile={"steps": [3, 41]})]},
            ["spec.stages[ctx512].profile.steps: 41 is beyond the stage's 40 steps: name steps from 1 to that"],
        ),
        (
            {"datasets": POEMS, "stages": [stage(steps=5000, validation={"datasets": ["poems"], "intervalSteps": 4})]},
            ["spec.stages[ctx512].validation.intervalSteps: 4 makes 1250 validations", "use at least 5"],
        ),
        (
            {
                "model": {**spec()["model"], "vision": {"vocabSize": 64}},
                "datasets": [books(), books(name="films", kind="vision"), books(name="clips", kind="vision")],
                "stages": [
                    stage(mixture=[{"dataset": "books"}], validation={"datasets": ["films"]}),
                    stage(name="late", mixture=[{"dataset": "clips"}]),
                ],
            },
            ["spec.stages[ctx512].validation.datasets: films is of kind vision", "use another one"],
        ),
        ({"accelerator": {"type": "cpu"}}, ["spec.accelerator.cpu", "give cpu.hosts"]),
        ({"checkpoint": {}}, ["spec.checkpoint", "exactly one of uri and pvc"]),
        (
            {"checkpoint": {"uri": "gs://lwm/runs", "endpoint": "http://user:pass@store:4443"}},
            ["spec.checkpoint.endpoint", "a user or a password", "give http(s)://host:port"],
        ),
        ({"tokenizer": {}}, ["spec.tokenizer"]),
        ({"model": {**spec()["model"], "initFrom": {}}}, ["spec.model.initFrom", "exactly one of uri and pvc"]),
        ({"datasets": [{"name": "books", "source": {}}]}, ["spec.datasets[books].source"]),
        ({"datasets": [books(kind="vision")]}, ["spec.datasets[books].kind", "add it, for LWM's codes with vocabSize 8448"]),
        ({"datasets": [books(chat={"template": "tokenizer"})]}, ["spec.datasets[books].chat", "is of kind text", "change the kind"]),
        ({"datasets": [books(frames={"maxFrames": 4})]}, ["spec.datasets[books].frames: it is for kind vision"]),
        (
            {"datasets": [books(preparation={"workers": 1, "accelerator": {"type": "gpu", "gpu": {"hosts": 1}}})]},
            ["spec.datasets[books].preparation.accelerator: it encodes media, and this data set has none: remove it or set media"],
        ),
        (
            {"datasets": [books(preparation={"workers": 1, "accelerator": {"type": "tpu", "tpu": {"family": "v5e", "topology": "4x8"}}})]},
            ["preparation.accelerator: it has 8 hosts, and each worker is one: use one of a single host, and more workers"],
        ),
        (
            {"datasets": [books(preparation={"workers": 1, "accelerator": {"type": "tpu", "tpu": {"family": "v5e", "topology": "3x3"}}})]},
            ["spec.datasets[books].preparation.accelerator.tpu: unknown topology 3x3 of v5e: use"],
        ),
        (
            {
                "datasets": [
                    books(
                        preparation={
                            "workers": 1,
                            "accelerator": {"type": "gpu", "gpu": {"hosts": 1, "sharedMemory": "1GB"}},
                            "resources": {"limits": {"nvidia.com/gpu": 1}},
                        }
                    )
                ]
            },
            [
                'spec.datasets[books].preparation.accelerator.gpu.sharedMemory: "1GB" is no quantity',
                "preparation.resources.limits[nvidia.com/gpu]: spec.datasets[books].preparation.accelerator sets it to 8: remove it here",
            ],
        ),
        (
            {"datasets": [books(media=MEDIA)]},
            ["spec.datasets[books].media: it is for kind vision", "media: pictures and clips are encoded by"],
        ),
        ({"datasets": [books(kind="chat", fields="a")]}, ["spec.datasets[books].fields: a chat is read from chat.messagesField messages"]),
        ({"datasets": [books(kind="chat", fieldsFromExample="a")]}, ["spec.datasets[books].fieldsFromExample: a chat is read from"]),
        ({"datasets": [books(fields="a", fieldsFromExample="b")]}, ["spec.datasets[books].fieldsFromExample: fields are given, too"]),
        ({"datasets": [books(documents={"minTokens": 9, "maxTokens": 8})]}, ["spec.datasets[books].documents.maxTokens", "8 is less", "9"]),
        ({"stages": [stage(loss={"modalities": {}})]}, ["spec.stages[ctx512].loss.modalities", "add model.vision"]),
        (
            {"stages": [stage(optimizer={"skipSpikes": {"window": 60}})]},
            ["spec.stages[ctx512].optimizer.skipSpikes.window: 60 is not less than the stage's 60 steps", "lower it"],
        ),
        (
            {"model": {"layers": 1, "width": 126, "heads": 2, "kvHeads": 2, "headDim": 64, "mlpWidth": 512, "vocabSize": 2048}},
            ["spec.model.width", "use 128"],
        ),
        (
            {"model": {"layers": 1, "width": 128, "heads": 3, "kvHeads": 2, "headDim": 64, "mlpWidth": 512, "vocabSize": 2048}},
            ["spec.model.kvHeads", "use a divisor"],
        ),
    ],
)
def test_each_error_names_the_field_and_the_fix(changes: dict[str, Any], words: list[str]) -> None:
    errors = "; ".join(validate(training(**changes).spec))
    for word in words:
        assert word in errors
