"""The names of files, folders, variables and ports."""

CONFIG_PATH = "/etc/lwm/run.json"
"""Where the run config is mounted (`LWM_CONFIG` overrides it outside a pod)."""

TERMINATION_PATH = "/dev/termination-log"
"""Where the termination message is written (`LWM_TERMINATION_PATH` overrides it outside a pod)."""

PROCESS_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes in every pod of an Indexed Job: the host's index in its slice."""

SLICE_VARIABLE = "LWM_SLICE"
"""Set by the operator: the index of the pod's slice; 0 where it is not set."""

HIDDEN_VARIABLES = "LWM_HIDDEN_VARIABLES"
"""Names, with commas between them, of the variables whose values come from Secrets: they are in nothing that a process says."""

COORDINATOR_PORT = 8476
METRICS_PORT = 9090

PROGRESS_ANNOTATION = "lwm.dev/progress"
"""The annotation on the attempt's Lease that holds `Progress` as JSON."""

RENDEZVOUS_SECONDS = 900
"""How long the first pod waits for the last one: above an image pull and the time for which DNS remembers a missing name."""

PROGRESS_SECONDS = 10.0
"""How often process 0 renews its Lease; phase changes and commits are written at once."""

STEP_LINE_PREFIX = "lwm-step "
"""One JSON line a step on standard output starts with this: Gloo prints there too, lines torn into each other."""

ORIGIN_FILE = "origin.json"


def step_folder(attempt_folder: str, step: int) -> str:
    """The Orbax folder of a committed step."""
    return f"{attempt_folder}/{step}"


def slice_name(attempt: str, index: int, slices: int) -> str:
    """`bible-s1-a3-x0`: the Job of one slice (0-based) of the attempt of that name; of a single slice the attempt's own name."""
    return f"{attempt}-x{index}" if slices > 1 else attempt
