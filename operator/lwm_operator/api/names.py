"""Every name that the operator and its users share: group, labels, children, storage. A name is made here and nowhere else."""

GROUP = "lwm.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "LWMTraining"
PLURAL = "lwmtrainings"
SINGULAR = "lwmtraining"
SHORT_NAME = "lwmt"

FIELD_MANAGER = "lwm-operator"

LABEL_TRAINING = "lwm.dev/training"
LABEL_UID = "lwm.dev/uid"
LABEL_STAGE = "lwm.dev/stage"
LABEL_ATTEMPT = "lwm.dev/attempt"
LABEL_SLICE = "lwm.dev/slice"
"""0-based; on every Job and pod, also where there is one slice only."""

LABEL_DATASET = "lwm.dev/dataset"
"""On what belongs to a preparation, and on nothing else: the data set's name. There are no labels of stage and attempt then."""
LABEL_RUN = "lwm.dev/run"
"""Beside it: the value of `spec.resume` with which it was begun."""

ANNOTATION_FIRST_HOST = "lwm.dev/first-host"
"""On a Job and its pods: the number, over all slices, of the host with completion index 0."""

ANNOTATION_TEMPLATE = "lwm.dev/template"
"""On a Job: a hash of the parts of the spec that its pods carry, as they were when it was made."""

LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
"""Kueue's, on a Job: the LocalQueue that admits it by `suspend: false`."""
LABEL_QUEUED_JOB = "kueue.x-k8s.io/job-uid"
"""Kueue's, on a Workload: the Job that it stands for."""

RUN_CONFIG_KEY = "run.json"
CONTAINER = "trainer"
INIT_PATH = "/lwm/init"
"""Where the pods mount the claim of `spec.model.initFrom`."""

MAX_NAME_LENGTH = 40
"""Pod `<name>-s32-a999-x63-2047-xxxxx` still fits into the 63 characters of a host name."""


def job_name(training: str, stage: int, attempt: int) -> str:
    """`bible-s1-a3`: stage (1-based) and attempt are part of the name, so a stale DNS answer never points to an older attempt."""
    return f"{training}-s{stage}-a{attempt}"


def preparation_name(training: str, dataset: int, run: int) -> str:
    """`bible-d2-r0`: the Job that prepares the training's second data set (1-based), as often as spec.resume had been raised by then."""
    return f"{training}-d{dataset}-r{run}"


def run_root(base: str, namespace: str, name: str, uid: str) -> str:
    """The folder below which one training writes, e.g. `gs://lwm/runs/default/bible-1a2b3c4d`."""
    return f"{base.rstrip('/')}/{namespace}/{name}-{uid[:8]}"


def labels(training: str, uid: str, stage: int | None = None, attempt: int | None = None) -> dict[str, str]:
    """Labels of a child; stage (1-based) and attempt only where the child belongs to one."""
    found = {LABEL_TRAINING: training, LABEL_UID: uid, "app.kubernetes.io/managed-by": FIELD_MANAGER, "app.kubernetes.io/part-of": "lwm"}
    if stage is not None:
        found[LABEL_STAGE] = str(stage)
    if attempt is not None:
        found[LABEL_ATTEMPT] = str(attempt)
    return found


def dataset_labels(training: str, uid: str, dataset: str, run: int) -> dict[str, str]:
    """Labels of a child that belongs to the preparation of the data set of that name."""
    return {**labels(training, uid), LABEL_DATASET: dataset, LABEL_RUN: str(run)}
