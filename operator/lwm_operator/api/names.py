"""All names that the operator and its users share: API group, labels, names of objects, storage paths."""

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
"""Slice number (0-based), on every Job and pod, even with a single slice."""

LABEL_DATASET = "lwm.dev/dataset"
"""Name of the data set, on the objects of its preparation. They have no stage and attempt labels."""
LABEL_RUN = "lwm.dev/run"
"""Number of the preparation, as in status.datasets[].run, on the same objects."""

ANNOTATION_FIRST_HOST = "lwm.dev/first-host"
"""Number of the host with completion index 0, over all slices, on a Job and its pods."""

ANNOTATION_SLICES = "lwm.dev/slices"
"""Number of slices of the attempt, on each of its Jobs."""

ANNOTATION_HELD = "lwm.dev/held"
"""On the suspended Job of a slice until the Jobs of all slices exist. The operator removes it and unsuspends the Job with one write."""

ANNOTATION_TEMPLATE = "lwm.dev/template"
"""Hash of the parts of the spec that go into the pod template, on a Job."""

ANNOTATION_METRICS_PORT = "prometheus.io/port"
"""Port of host 0's metrics, on pods on the host network: there it differs by attempt, and is not declared."""

ANNOTATION_RUN_CONFIG = "lwm.dev/run-config"
"""Hash of the run config that the pods of a Job read, on a Job of an attempt."""

LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
"""Kueue's label on a Job: the LocalQueue that admits the Job by setting `suspend: false`."""
LABEL_QUEUED_JOB = "kueue.x-k8s.io/job-uid"
"""Kueue's label on a Workload: the UID of its Job."""

RESERVED_POD_PREFIXES = (f"{GROUP}/", "batch.kubernetes.io/", "kueue.x-k8s.io/")
RESERVED_POD_KEYS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "controller-uid", "job-name")
"""Labels and annotations by which the operator, the Job controller and Kueue know pods. A user cannot set them."""

RUN_CONFIG_KEY = "run.json"
CONTAINER = "trainer"
SHARED_MEMORY = "shared-memory"
"""The volume that GPU pods mount at /dev/shm."""
CHECKPOINT_PATH = "/lwm/checkpoint"
"""Where the pods mount the claim of `spec.checkpoint`."""
INIT_PATH = "/lwm/init"
"""Where the pods mount the claim of `spec.model.initFrom`."""

MAX_NAME_LENGTH = 40
"""With this limit the pod name `<name>-s32-a999-x63-2047-xxxxx` fits into the 63 characters of a host name."""


def job_name(training: str, stage: int, attempt: int) -> str:
    """Name of an attempt's Job, such as `bible-s1-a3`. Stage (1-based) and attempt are part of it, because DNS answers may be stale."""
    return f"{training}-s{stage}-a{attempt}"


def preparation_name(training: str, dataset: int, run: int) -> str:
    """Name of a preparation's Job, such as `bible-d2-r0`: data set number (1-based) and number of the run."""
    return f"{training}-d{dataset}-r{run}"


def run_root(base: str, namespace: str, name: str, uid: str) -> str:
    """The folder in which a training writes, such as `gs://lwm/runs/default/bible-1a2b3c4d`."""
    return f"{base.rstrip('/')}/{namespace}/{name}-{uid[:8]}"


def labels(training: str, uid: str, stage: int | None = None, attempt: int | None = None) -> dict[str, str]:
    """Labels of an object that belongs to a training, and to a stage (1-based) and attempt if given."""
    labels = {LABEL_TRAINING: training, LABEL_UID: uid, "app.kubernetes.io/managed-by": FIELD_MANAGER, "app.kubernetes.io/part-of": "lwm"}
    if stage is not None:
        labels[LABEL_STAGE] = str(stage)
    if attempt is not None:
        labels[LABEL_ATTEMPT] = str(attempt)
    return labels


def dataset_labels(training: str, uid: str, dataset: str, run: int) -> dict[str, str]:
    """Labels of an object that belongs to the preparation of a data set."""
    return {**labels(training, uid), LABEL_DATASET: dataset, LABEL_RUN: str(run)}
