"""Changes of a valid LWMTraining that break one rule of the CRD, the words of the refusal, and changes that just keep it."""

from typing import Any

from simulation.builders import spec, stage

MODEL = spec()["model"]
TWO = [stage("a"), stage("b")]
TPU = {"family": "v5p", "topology": "2x2x2"}
GPU = {"hosts": 2, "perHost": 4}
CPU = {"hosts": 2, "devicesPerHost": 4}
PLACE = {"uri": "gs://lwm/x"}
KEY = {"name": "settings", "key": "token"}
BOOKS = {"name": "books", "source": PLACE}
CLAIM = {"pvc": {"claimName": "shared"}}
QA = {"tokens": 4096}
ENDPOINT = {"url": "http://generator:8000/v1", "model": "m", "keyVariable": "QA_KEY"}
PAIRS = {"suite": "json-kv", "lengths": [256], "minScore": 0.5}
MEDIA = {"tokenizer": "vqgan.safetensors"}
ONE_GPU = {"type": "gpu", "gpu": {"hosts": 1, "perHost": 1}}
ONE_TPU = {"family": "v5e", "topology": "2x2"}


def encoded_by(accelerator: dict[str, Any]) -> dict[str, Any]:
    """Pictures whose preparation has this accelerator."""
    clips = {"kind": "vision", "fields": "vision", "media": MEDIA, "preparation": {"workers": 1, "accelerator": accelerator}}
    return {"model": {**MODEL, "vision": {}}, "datasets": [BOOKS | clips]}


RULES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "steps or tokens: both": ({"stages": [stage(tokens=4096)]}, "give exactly one of steps and tokens", {"stages": [stage(steps=1)]}),
    "steps or tokens: none": (
        {"stages": [{key: value for key, value in stage().items() if key != "steps"}]},
        "give exactly one of steps and tokens",
        {"stages": [{**{key: value for key, value in stage().items() if key != "steps"}, "tokens": 8192}]},
    ),
    "a bound on the validation loss needs a validation": (
        {"stages": [stage(gate={"maxValidationLoss": 3.0})]},
        "gate.maxValidationLoss is a condition on the validation loss: add validation, or remove it",
        {"stages": [stage(gate={"maxValidationLoss": 3.0}, validation={"datasets": ["books"]})]},
    ),
    "a gate has a condition": (
        {"stages": [stage(gate={"suites": []})]},
        "a gate has no condition: give maxValidationLoss or suites",
        {"stages": [stage(gate={"suites": [PAIRS]})]},
    ),
    "suites are no longer than the context": (
        {"stages": [stage(gate={"suites": [PAIRS | {"lengths": [128, 513]}]})]},
        "gate.suites[].lengths must not exceed contextLength: use shorter ones",
        {"stages": [stage(gate={"suites": [PAIRS | {"lengths": [128, 512]}]})]},
    ),
    "needles need a haystack": (
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "needle"}]})]},
        "give haystack for the former alone",
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "needle", "haystack": "books"}]})]},
    ),
    "pairs need no haystack": (
        {"stages": [stage(gate={"suites": [PAIRS | {"haystack": "books"}]})]},
        "give haystack for the former alone",
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "ruler", "haystack": "books", "tasks": ["niah_single_2"]}]})]},
    ),
    "pairs have depths": (
        {"stages": [stage(gate={"suites": [PAIRS | {"samples": 5}]})]},
        "needle and json-kv have depths and rounds",
        {"stages": [stage(gate={"suites": [PAIRS | {"depths": 3, "rounds": 2}]})]},
    ),
    "walks have samples": (
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "graphwalks", "rounds": 2}]})]},
        "the other suites have samples",
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "graphwalks", "samples": 5}]})]},
    ),
    "walks have no tasks": (
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "graphwalks", "tasks": ["vt"]}]})]},
        "tasks are those of ruler and babilong",
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "ruler", "tasks": ["vt"]}]})]},
    ),
    "pairs have no choices": (
        {"stages": [stage(gate={"suites": [PAIRS | {"answers": "likeliest"}]})]},
        "needle and json-kv not by the likeliest choice",
        {"stages": [stage(gate={"suites": [PAIRS | {"answers": "forced"}, PAIRS | {"suite": "mrcr", "answers": "likeliest"}]})]},
    ),
    "ruler is generated": (
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "ruler", "answers": "forced"}]})]},
        "the others are generated only",
        {"stages": [stage(gate={"suites": [PAIRS | {"suite": "ruler", "answers": "generated"}]})]},
    ),
    "the keys of trackers are secrets": (
        {"podTemplate": {"env": [{"name": "WANDB_API_KEY", "value": "0123"}]}},
        "WANDB_API_KEY, MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_PASSWORD are secrets",
        {"podTemplate": {"env": [{"name": "WANDB_API_KEY", "valueFrom": {"secretKeyRef": KEY}}]}},
    ),
    "a tracker's address has no password": (
        {"trackers": {"mlflow": {"uri": "https://user:secret@mlflow.example"}}},
        "spec.trackers.mlflow.uri",
        {"trackers": {"mlflow": {"uri": "https://mlflow.example:5000"}}},
    ),
    "held-out data sets are named once": (
        {"stages": [stage(validation={"datasets": ["books", "books"]})]},
        "Duplicate value",
        {"stages": [stage(validation={"datasets": ["books"]})]},
    ),
    "tokens in whole batches": (
        {"stages": [{**{key: value for key, value in stage().items() if key != "steps"}, "tokens": 8193}]},
        "tokens must be a multiple of batchTokens",
        {"stages": [{**{key: value for key, value in stage().items() if key != "steps"}, "tokens": 4096}]},
    ),
    "batch in whole rows": (
        {"stages": [stage(batchTokens=4097)]},
        "batchTokens must be a multiple of contextLength",
        {"stages": [stage(batchTokens=2048)]},
    ),
    "rows over the data axes": (
        {"stages": [stage(batchTokens=512)]},
        "must be a multiple of mesh.dp x mesh.fsdp",
        {"stages": [stage(batchTokens=2048)]},
    ),
    "context over the ring": (
        {"stages": [stage(contextLength=514, batchTokens=514 * 4)]},
        "contextLength must be a multiple of 2 x mesh.sp",
        {"stages": [stage(contextLength=516, batchTokens=516 * 4)]},
    ),
    "mesh is the accelerator": (
        {"stages": [stage("a"), stage("b", mesh={"dp": 2, "fsdp": 2, "sp": 1})]},
        "stages[].mesh: dp x fsdp x tp x sp must equal accelerator.cpu.hosts x devicesPerHost",
        {"stages": [stage("a"), stage("b", mesh={"dp": 2, "fsdp": 1, "sp": 4})]},
    ),
    "heads over tensor": (
        {"stages": [stage(mesh={"dp": 2, "tp": 4})]},
        "mesh.tp must divide model.heads, and model.kvHeads or be a multiple of it",
        {"stages": [stage(mesh={"dp": 4, "tp": 2})]},
    ),
    "key heads over tensor": (
        {"model": {**MODEL, "heads": 12, "kvHeads": 6}, "stages": [stage(mesh={"dp": 2, "tp": 4})]},
        "mesh.tp must divide model.heads, and model.kvHeads or be a multiple of it",
        {"model": {**MODEL, "kvHeads": 1}, "stages": [stage(mesh={"dp": 4, "tp": 2})]},
    ),
    "groups over the ring": (
        {"stages": [stage(mesh={"dp": 2, "sp": 4, "ulysses": 3})]},
        "spec.stages[0].mesh: Invalid value: ulysses must divide sp",
        {"stages": [stage(mesh={"dp": 2, "sp": 4, "ulysses": 2})]},
    ),
    "key heads divide heads": (
        {"model": {**MODEL, "heads": 3}},
        "kvHeads must divide heads",
        {"model": {**MODEL, "heads": 4}},
    ),
    "matmul precision is for float32": (
        {"precision": {"compute": "bfloat16", "matmul": "highest"}},
        "spec.precision: Invalid value: matmul is for compute float32",
        {"precision": {"matmul": "default"}},
    ),
    "momentum is for muon": (
        {"stages": [stage(optimizer={"momentum": 0.9})]},
        "spec.stages[0].optimizer: Invalid value: momentum is for muon",
        {"stages": [stage(optimizer={"name": "muon", "momentum": 0.9})]},
    ),
    "a final decay is for wsd": (
        {"stages": [stage(optimizer={"decaySteps": 1})]},
        "spec.stages[0].optimizer: Invalid value: decaySteps is for schedule wsd",
        {"stages": [stage(optimizer={"schedule": "wsd", "decaySteps": 1})]},
    ),
    "a constant rate has no final fraction": (
        {"stages": [stage(optimizer={"schedule": "constant", "finalFraction": 0.5})]},
        "spec.stages[0].optimizer: Invalid value: finalFraction is for schedules cosine and wsd",
        {"stages": [stage(optimizer={"schedule": "constant"})]},
    ),
    "known optimizers": (
        {"stages": [stage(optimizer={"name": "sgd"})]},
        'Unsupported value: "sgd"',
        {"stages": [stage(optimizer={"name": "adafactor", "beta1": 0, "emaDecay": 0.999, "weightDecayExcludes": ["norms", "heads"]})]},
    ),
    "mixture names data sets": (
        {"stages": [stage(mixture=[{"dataset": "poems"}])]},
        "mixture names a data set that is not in datasets",
        {"stages": [stage(mixture=[{"dataset": "books"}])]},
    ),
    "stage names differ": ({"stages": [stage("a"), stage("a")]}, "Duplicate value", {"stages": TWO}),
    "data set names differ": (
        {"datasets": [{"name": "a", "source": PLACE}, {"name": "a", "source": PLACE}]},
        "Duplicate value",
        {"datasets": [{"name": "a", "source": PLACE}, {"name": "b", "source": PLACE}]},
    ),
    "mixture names differ": (
        {"stages": [stage(mixture=[{"dataset": "books"}, {"dataset": "books"}])]},
        "Duplicate value",
        {"stages": [stage(mixture=[{"dataset": "books", "weight": 0.5}])]},
    ),
    "checkpoint: both": ({"checkpoint": {**PLACE, **CLAIM}}, "give exactly one of uri", {"checkpoint": PLACE}),
    "checkpoint: none": ({"checkpoint": {}}, "give exactly one of uri", {"checkpoint": CLAIM}),
    "no password in the endpoint": (
        {"checkpoint": {**PLACE, "endpoint": "http://user:pass@store:4443"}},
        "endpoint must contain no user and no password",
        {"checkpoint": {**PLACE, "endpoint": "http://store:4443"}},
    ),
    "tokenizer: both": ({"tokenizer": {**PLACE, **CLAIM}}, "give exactly one of uri", {"tokenizer": CLAIM}),
    "initFrom: both": (
        {"model": {**MODEL, "initFrom": {**PLACE, **CLAIM}}},
        "give exactly one of uri",
        {"model": {**MODEL, "initFrom": CLAIM}},
    ),
    "initFrom: none": ({"model": {**MODEL, "initFrom": {}}}, "give exactly one of uri", {"model": {**MODEL, "initFrom": PLACE}}),
    "source: none": (
        {"datasets": [{"name": "a", "source": {}}]},
        "give exactly one of uri",
        {"datasets": [{"name": "books", "source": CLAIM}]},
    ),
    "fields or fieldsFromExample": (
        {"datasets": [BOOKS | {"fields": "a", "fieldsFromExample": "b"}]},
        "give fields or fieldsFromExample, not both",
        {"datasets": [BOOKS | {"fieldsFromExample": "b"}]},
    ),
    "a chat has no fields": (
        {"datasets": [BOOKS | {"kind": "chat", "fields": "a"}]},
        "a chat is read from chat.messagesField",
        {"datasets": [BOOKS | {"kind": "chat", "chat": {"template": "tokenizer", "messagesField": "turns"}}]},
    ),
    "questions are for kind qa": (
        {"datasets": [BOOKS | {"qa": QA, "preparation": {"workers": 1}}]},
        "qa is for kind qa, whose questions are made by a preparation: set kind: qa, qa and preparation together",
        {"datasets": [BOOKS | {"kind": "qa", "qa": QA, "preparation": {"workers": 1}}]},
    ),
    "kind qa needs questions": (
        {"datasets": [BOOKS | {"kind": "qa", "preparation": {"workers": 1}}]},
        "qa is for kind qa",
        {"datasets": [BOOKS | {"kind": "qa", "qa": QA | {"endpoint": ENDPOINT}, "preparation": {"workers": 1}}]},
    ),
    "questions are made by a preparation": (
        {"datasets": [BOOKS | {"kind": "qa", "qa": QA}]},
        "made by a preparation",
        {"datasets": [BOOKS | {"kind": "qa", "qa": QA, "preparation": {"workers": 2}}]},
    ),
    "an example holds a chunk": (
        {"datasets": [BOOKS | {"kind": "qa", "qa": {"tokens": 1239}, "preparation": {"workers": 1}}]},
        "tokens must hold a chunk with its question, chunkTokens + 240: raise tokens",
        {"datasets": [BOOKS | {"kind": "qa", "qa": {"tokens": 1240}, "preparation": {"workers": 1}}]},
    ),
    "no password in the generator's address": (
        {"datasets": [BOOKS | {"kind": "qa", "qa": QA | {"endpoint": ENDPOINT | {"url": "http://a:b@c"}}, "preparation": {"workers": 1}}]},
        "should match",
        {"datasets": [BOOKS | {"kind": "qa", "qa": QA | {"endpoint": ENDPOINT}, "preparation": {"workers": 1}}]},
    ),
    "media is encoded by a preparation": (
        {"model": {**MODEL, "vision": {}}, "datasets": [BOOKS | {"kind": "vision", "fields": "vision", "media": MEDIA}]},
        "media is for kind vision, and is encoded by a preparation",
        {
            "model": {**MODEL, "vision": {}},
            "datasets": [BOOKS | {"kind": "vision", "fields": "vision", "media": MEDIA, "preparation": {"workers": 1}}],
        },
    ),
    "an accelerator of a preparation encodes media": (
        {"datasets": [BOOKS | {"preparation": {"workers": 1, "accelerator": ONE_GPU}}]},
        "preparation.accelerator encodes media, and this data set has none",
        encoded_by(ONE_GPU),
    ),
    "a worker with GPUs is one host": (encoded_by({"type": "gpu", "gpu": GPU}), "each worker is one host", encoded_by(ONE_GPU)),
    "a worker with TPUs is one slice": (
        encoded_by({"type": "tpu", "tpu": {**ONE_TPU, "slices": 2}}),
        "each worker is one host",
        encoded_by({"type": "tpu", "tpu": ONE_TPU}),
    ),
    "a worker's accelerator has its block": (
        encoded_by({"type": "tpu", "gpu": {"hosts": 1}}),
        "tpu is missing: type tpu needs tpu.family and tpu.topology",
        encoded_by({"type": "tpu", "tpu": ONE_TPU}),
    ),
    "the tokenizer of media is a file": (
        {"datasets": [BOOKS | {"kind": "vision", "media": {"tokenizer": "/etc/vqgan.safetensors"}, "preparation": {"workers": 1}}]},
        "spec.datasets[0].media.tokenizer",
        {
            "model": {**MODEL, "vision": {}},
            "datasets": [BOOKS | {"kind": "vision", "fields": "vision", "media": MEDIA, "preparation": {"workers": 1}}],
        },
    ),
    "the date of a chat is one": (
        {"datasets": [BOOKS | {"kind": "chat", "chat": {"date": "2026-02-30"}}]},
        "spec.datasets[0].chat.date",
        {"datasets": [BOOKS | {"kind": "chat", "chat": {"date": "2026-02-28"}}]},
    ),
    "known kinds": (
        {"datasets": [BOOKS | {"kind": "sound"}]},
        'Unsupported value: "sound"',
        {"datasets": [BOOKS | {"kind": "text"}]},
    ),
    "documents have a longest and a shortest": (
        {"datasets": [BOOKS | {"documents": {"minTokens": 3, "maxTokens": 2}}]},
        "maxTokens must be at least minTokens",
        {"datasets": [BOOKS | {"documents": {"minTokens": 3, "maxTokens": 3, "overlong": "fail"}}]},
    ),
    "vision data needs a model that sees": (
        {"datasets": [BOOKS, BOOKS | {"name": "clips", "kind": "vision"}]},
        "datasets[].kind: vision needs model.vision",
        {"model": MODEL | {"vision": {"vocabSize": 64}}, "datasets": [BOOKS, BOOKS | {"name": "clips", "kind": "vision"}]},
    ),
    "a preparation has workers": (
        {"datasets": [BOOKS | {"preparation": {"workers": 0}}]},
        "spec.datasets[0].preparation.workers",
        {"datasets": [BOOKS | {"preparation": {"workers": 4, "resources": {"requests": {"cpu": 1}}}, "onBadRecord": "skip"}]},
    ),
    "a pattern is relative": (
        {"datasets": [BOOKS | {"source": PLACE | {"files": "/etc/*"}}]},
        "spec.datasets[0].source.files",
        {"datasets": [BOOKS | {"source": PLACE | {"files": "19*/*.jsonl"}}]},
    ),
    "cpu goes with its type": ({"accelerator": {"type": "cpu"}}, "cpu is missing", {"accelerator": {"type": "cpu", "cpu": CPU}}),
    "tpu goes with its type": ({"accelerator": {"type": "tpu"}}, "tpu is missing", {"accelerator": {"type": "tpu", "tpu": TPU}}),
    "gpu goes with its type": (
        {"accelerator": {"type": "gpu"}},
        "gpu is missing",
        {"accelerator": {"type": "gpu", "gpu": GPU}},
    ),
    "one accelerator only": (
        {"accelerator": {"type": "tpu", "tpu": TPU, "gpu": GPU}},
        "give only the block that goes with type",
        {"accelerator": {"type": "tpu", "tpu": TPU}},
    ),
    "a topology is chips along each axis": (
        {"accelerator": {"type": "tpu", "tpu": TPU | {"topology": "v5p-8"}}},
        "spec.accelerator.tpu.topology",
        {"accelerator": {"type": "tpu", "tpu": TPU | {"topology": "2x2x2"}}},
    ),
    "spot or reserved": (
        {"accelerator": {"type": "tpu", "tpu": TPU | {"spot": True, "reservation": "mine"}}},
        "spot and reservation exclude each other",
        {"accelerator": {"type": "tpu", "tpu": TPU | {"reservation": "projects/ours/reservations/mine"}}},
    ),
    "known families": (
        {"accelerator": {"type": "tpu", "tpu": TPU | {"family": "v3"}}},
        'Unsupported value: "v3"',
        {"accelerator": {"type": "tpu", "tpu": TPU | {"family": "v4"}}},
    ),
    "mesh is the GPUs": (
        {"accelerator": {"type": "gpu", "gpu": GPU | {"perHost": 8}}},
        "stages[].mesh: dp x fsdp x tp x sp must equal accelerator.gpu.hosts x perHost",
        {"accelerator": {"type": "gpu", "gpu": GPU}},
    ),
    "a stage's own accelerator is not held against the training's": (
        {"stages": [stage(mesh={"dp": 2, "fsdp": 2, "sp": 4})]},
        "must equal accelerator.cpu.hosts x devicesPerHost",
        {"stages": [stage(mesh={"dp": 2, "fsdp": 2, "sp": 4}, accelerator={"type": "gpu", "gpu": GPU | {"perHost": 8}})]},
    ),
    "network devices have a domain": (
        {"accelerator": {"type": "gpu", "gpu": GPU | {"rdma": {"hca": 1}}}},
        "rdma: resource names need a domain",
        {"accelerator": {"type": "gpu", "gpu": GPU | {"rdma": {"rdma/hca": 1}}}},
    ),
    "huge pages have two sizes": (
        {"accelerator": {"type": "gpu", "gpu": GPU | {"hugepages": {"hugepages-4Mi": "1Gi"}}}},
        "hugepages: the sizes are",
        {"accelerator": {"type": "gpu", "gpu": GPU | {"hugepages": {"hugepages-2Mi": "1Gi"}}}},
    ),
    "nccl is NCCL's": (
        {"accelerator": {"type": "gpu", "gpu": GPU | {"nccl": {"LD_PRELOAD": "x"}}}},
        "nccl: names must begin with NCCL_",
        {"accelerator": {"type": "gpu", "gpu": GPU | {"nccl": {"NCCL_DEBUG": "WARN"}}}},
    ),
    "known profiles": (
        {"accelerator": {"type": "gpu", "gpu": GPU | {"profile": "mine"}}},
        'Unsupported value: "mine"',
        {"accelerator": {"type": "gpu", "gpu": GPU | {"profile": "aws-efa"}}},
    ),
    "known accelerators": (
        {"accelerator": {"type": "abacus", "cpu": CPU}},
        'Unsupported value: "abacus"',
        {"accelerator": {"cpu": CPU}},
    ),
    "a bucket is gs://": (
        {"tokenizer": {"uri": "s3://bucket/x"}},
        "spec.tokenizer.uri",
        {"tokenizer": {"uri": "gs://bucket/x"}},
    ),
    "a variable has one value: both": (
        {"podTemplate": {"env": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": KEY}}]}},
        "give exactly one of value and valueFrom",
        {"podTemplate": {"env": [{"name": "A", "value": ""}, {"name": "B", "valueFrom": {"secretKeyRef": KEY}}]}},
    ),
    "a variable has one value: none": (
        {"podTemplate": {"env": [{"name": "A"}]}},
        "give exactly one of value and valueFrom",
        {"podTemplate": {"env": [{"name": "A", "value": "1"}]}},
    ),
    "a value has one source: both": (
        {"podTemplate": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": KEY, "configMapKeyRef": KEY}}]}},
        "give exactly one of secretKeyRef and configMapKeyRef",
        {"podTemplate": {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": KEY | {"optional": True}}}]}},
    ),
    "a value has one source: none": (
        {"podTemplate": {"env": [{"name": "A", "valueFrom": {}}]}},
        "give exactly one of secretKeyRef and configMapKeyRef",
        {"podTemplate": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": KEY}}]}},
    ),
    "a queue has a name that a label can carry": (
        {"execution": {"queueName": "Team/A"}},
        "spec.execution.queueName",
        {"execution": {"queueName": "team-a.v1", "priorityClassName": "system-node-critical", "schedulerName": "kai-scheduler"}},
    ),
    "a queue's name is no longer than a label": (
        {"execution": {"queueName": "q" * 64}},
        "spec.execution.queueName",
        {"execution": {"queueName": "q" * 63}},
    ),
    "a priority class has a name": (
        {"execution": {"priorityClassName": ""}},
        "spec.execution.priorityClassName",
        {"execution": {"priorityClassName": "p" * 253}},
    ),
    "a scheduler has a name": (
        {"execution": {"schedulerName": "-"}},
        "spec.execution.schedulerName",
        {"execution": {"schedulerName": "a"}},
    ),
    "pull Secrets differ": (
        {"podTemplate": {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]}},
        "Duplicate value",
        {"podTemplate": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}},
    ),
    "quantities have Kubernetes' units": (
        {"podTemplate": {"resources": {"limits": {"memory": "16GB"}}}},
        "limits: every value must be a quantity of Kubernetes, such as 8, 500m, 16G or 16Gi: write 16G or 16Gi instead of 16GB",
        {"podTemplate": {"resources": {"limits": {"memory": "16G", "cpu": 2}, "requests": {"memory": "1.5Gi", "cpu": "500m"}}}},
    ),
    "quantities are not negative": (
        {"podTemplate": {"resources": {"requests": {"cpu": -1}}}},
        "spec.podTemplate.resources.requests.cpu",
        {"podTemplate": {"resources": {"requests": {"cpu": 0}}}},
    ),
    "a preparation's quantities": (
        {"datasets": [BOOKS | {"preparation": {"workers": 1, "resources": {"requests": {"memory": "-1Gi"}}}}]},
        "spec.datasets[0].preparation.resources.requests.memory",
        {"datasets": [BOOKS | {"preparation": {"workers": 1, "resources": {"requests": {"memory": "1Gi"}}}}]},
    ),
    "shared memory is a quantity": (
        {"accelerator": {"type": "gpu", "gpu": GPU | {"sharedMemory": "1.5.2"}}},
        "spec.accelerator.gpu.sharedMemory",
        {"accelerator": {"type": "gpu", "gpu": GPU | {"sharedMemory": "1e9"}}},
    ),
    "a selector's value is a label's": (
        {"podTemplate": {"nodeSelector": {"disktype": "a b"}}},
        "spec.podTemplate.nodeSelector.disktype",
        {"podTemplate": {"nodeSelector": {"disktype": ""}}},
    ),
    "Exists has no value": (
        {"podTemplate": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "operator Exists matches every value",
        {"podTemplate": {"tolerations": [{"key": "a", "operator": "Exists", "value": ""}, {"operator": "Exists"}]}},
    ),
    "Equal has a key": (
        {"podTemplate": {"tolerations": [{"value": "b"}]}},
        "operator Equal needs a key",
        {"podTemplate": {"tolerations": [{"key": "example.com/a", "value": "b"}, {"key": "a"}]}},
    ),
    "seconds are for NoExecute": (
        {"podTemplate": {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]}},
        "tolerationSeconds is for effect NoExecute only",
        {"podTemplate": {"tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 0}]}},
    ),
    "a taint's key is a label's": (
        {"podTemplate": {"tolerations": [{"key": "a b", "operator": "Exists"}]}},
        "spec.podTemplate.tolerations[0].key",
        {"podTemplate": {"tolerations": [{"key": "", "operator": "Exists"}]}},
    ),
    "a folder on a claim does not lead out of it": (
        {"checkpoint": {"pvc": {"claimName": "shared", "subPath": "a/../b"}}},
        "spec.checkpoint.pvc.subPath",
        {"checkpoint": {"pvc": {"claimName": "shared", "subPath": "a/..b/./.c//d"}}},
    ),
    "names of objects are DNS subdomains": (
        {"podTemplate": {"serviceAccountName": "a..b"}},
        "spec.podTemplate.serviceAccountName",
        {"podTemplate": {"serviceAccountName": "a.b-c"}},
    ),
    "labels of the operator are its own": (
        {"podTemplate": {"labels": {"lwm.dev/uid": "a"}}},
        "labels: lwm.dev/*, batch.kubernetes.io/*, kueue.x-k8s.io/*",
        {"podTemplate": {"labels": {"sidecar.istio.io/inject": "false"}, "runtimeClassName": "nvidia"}},
    ),
    "annotations of the Job controller are its own": (
        {"podTemplate": {"annotations": {"batch.kubernetes.io/job-completion-index": "0"}}},
        "annotations: lwm.dev/*, batch.kubernetes.io/*",
        {"podTemplate": {"annotations": {"karpenter.sh/do-not-disrupt": "true"}}},
    ),
    "start-up takes a minute at least": (
        {"execution": {"startupTimeoutSeconds": 59}},
        "spec.execution.startupTimeoutSeconds: Invalid value: 59",
        {"execution": {"startupTimeoutSeconds": 60}},
    ),
    "start-up takes a week at most": (
        {"execution": {"startupTimeoutSeconds": 604801}},
        "spec.execution.startupTimeoutSeconds: Invalid value: 604801",
        {"execution": {"startupTimeoutSeconds": 604800}},
    ),
    "a stage at least": ({"stages": []}, "should have at least 1 items", {"stages": TWO[:1]}),
    "at most 32 stages": (
        {"stages": [stage(f"s{number}") for number in range(33)]},
        "must have at most 32 items",
        {"stages": [stage(f"s{number}") for number in range(32)]},
    ),
}
