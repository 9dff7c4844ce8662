"""The names of files, folders, variables and ports."""

CONFIG_PATH = "/etc/lwm/run.json"
"""Mount path of the run config. `LWM_CONFIG` overrides it outside a pod."""

TERMINATION_PATH = "/dev/termination-log"
"""Path of the termination message. `LWM_TERMINATION_PATH` overrides it outside a pod."""

REPORT_VARIABLE = "LWM_REPORT_PATH"
"""Variable with the file into which process 0 writes its report outside Kubernetes, instead of its Lease."""

PROCESS_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Index of the host in its slice, set by Kubernetes in every pod of an Indexed Job."""

SLICE_VARIABLE = "LWM_SLICE"
"""Index of the pod's slice, set by the operator. Default: 0."""

HIDDEN_VARIABLES = "LWM_HIDDEN_VARIABLES"
"""Names of the variables whose values come from Secrets, separated by commas. Their values are redacted in all messages."""

COORDINATOR_PORT = 8476
METRICS_PORT = 9090

PROGRESS_ANNOTATION = "lwm.dev/progress"
"""Annotation on the attempt's Lease with `Progress` as JSON."""

RENDEZVOUS_SECONDS = 900
"""Timeout of the first pod for the last one. It covers an image pull and the time for which DNS caches a missing name."""

PROGRESS_SECONDS = 10.0
"""Interval at which process 0 renews its Lease. Phase changes and new checkpoints are written at once."""

START_LINE_PREFIX = "lwm-start "
"""Prefix of the JSON line that each process prints on standard output when it starts."""

STEP_LINE_PREFIX = "lwm-step "
"""Prefix of the JSON line of each step on standard output. Gloo prints there too, and its lines may be interleaved."""

ORIGIN_FILE = "origin.json"


def step_folder(attempt_folder: str, step: int) -> str:
    """The Orbax folder of a saved step."""
    return f"{attempt_folder}/{step}"


def slice_name(attempt: str, index: int, slices: int) -> str:
    """Name of the Job of slice `index` (0-based), such as `bible-s1-a3-x0`. With a single slice it is the attempt's name."""
    return f"{attempt}-x{index}" if slices > 1 else attempt
