"""Why an attempt ended: the reason of each root cause, and of a training that is recovering, paused or failed."""

from lwm_operator.plan.reasons.reason import Reason

NEXT = "Nothing: the next attempt starts from the last checkpoint."


class TrainerReason(Reason):
    """Why an attempt ended, as the trainer reports it"""

    BAD_ARGUMENTS = (
        "BadArguments",
        "The environment or the command line of the trainer is wrong. Not retried.",
        "host 0 (…): JOB_COMPLETION_INDEX='': set it to this host's index, 0 to 1",
        "Use the trainer image of the operator's version; check `spec.podTemplate.env`.",
    )
    BAD_DATA = (
        "BadData",
        "A data set or the tokenizer does not fit the training. Not retried.",
        "host 0 (…): gs://lwm/tok/tokenizer.json: has 4096 pieces, but model.vocabSize is 2048: set model.vocabSize to 4096 or more",
        "Correct what the message names, then raise `spec.resume`.",
    )
    DATA_MISSING = (
        "DataMissing",
        "A data set or the tokenizer does not exist at its location. Not retried, except that a prepared data set that is gone is prepared "
        "again: up to twice without a new checkpoint, charged to budget `infra`.",
        "host 0 (…): gs://b/books: no file ending in .txt or .jsonl or .parquet or .arrow or .tar is there: put the"
        " data there or correct the uri",
        "Put the data there or correct the location, then raise `spec.resume`. If it had been prepared, see what deletes it.",
    )
    DATA_CORRUPT = (
        "DataCorrupt",
        "A data set or the tokenizer cannot be read. Not retried.",
        "host 0 (…): gs://lwm/books/ruth.jsonl, line 7: no field text",
        "Fix what the message names, then raise `spec.resume`.",
    )
    DATA_CHANGED = (
        "DataChanged",
        "A data set is not what the checkpoint of this stage was trained with, or not the same on all hosts. Not retried.",
        "host 0 (…): datasets[books].source: gs://b/books has changed since step 400 of this stage was trained: 40 documents, "
        "9,120 tokens, content 5c1f0a7d2e9b4836 then, 37 documents, 8,402 tokens, content a03b77c1d94e52f8 now: …",
        "Put the data back as it was, or accept it as it is now: copy the new content's hash to `acceptChangeTo` of the data set. "
        "Then raise `spec.resume`.",
    )
    BAD_CHECKPOINT = (
        "BadCheckpoint",
        "The checkpoint to start from (spec.model.initFrom, or that of an earlier stage or attempt) is missing or does not fit the model. "
        "Not retried.",
        "host 0 (…): spec.model.initFrom: gs://lwm/llama: model.heads is 32 there, but 16 in this training: …",
        "Put the checkpoint there and raise `spec.resume`. If the models differ, create a training with the checkpoint's values.",
    )
    BAD_CONFIG = (
        "BadConfig",
        "The trainer rejects the run config. Not retried.",
        "host 0 (…): run config: contextLength: Input should be greater than or equal to 8",
        "Use the trainer image of the operator's version.",
    )
    CONTRACT_MISMATCH = (
        "ContractMismatch",
        "Operator and trainer are too far apart in version to understand each other: docs/guides/upgrade.md. Not retried.",
        "host 0 (…): run config: the operator has contract version 3 and needs a trainer of version 3 or newer, this trainer has 2: …",
        "Use the trainer image of the operator's version: leave out `spec.image`, or name a newer image; then raise `spec.resume`.",
    )
    BUCKET_MISSING = (
        "BucketMissing",
        "The bucket of a data set, of the tokenizer or of the checkpoints does not exist.",
        "host 0 (…): spec.checkpoint.uri gs://lwm-runs/x: bucket 'lwm-runs' does not exist: create it, then raise spec.resume",
        "Create the bucket, or correct the URI; then raise `spec.resume`.",
    )
    BUCKET_DENIED = (
        "BucketDenied",
        "The storage denies access to the pods' account. Retried once.",
        "host 0 (…): access to bucket 'lwm-runs' is denied: grant roles/storage.objectUser on it to the pod's account",
        "Grant access to the pods' service account (`spec.podTemplate.serviceAccountName`), then raise `spec.resume`.",
    )
    STORAGE_DENIED = (
        "StorageDenied",
        "The storage denies access to the pods' account and does not name the bucket. Retried once.",
        "host 0 (…): 401 Anonymous caller",
        "Grant access to the pods' service account, then raise `spec.resume`.",
    )
    CLAIM_MISSING = (
        "ClaimMissing",
        "The claim is mounted, but the folder on its volume does not exist.",
        "host 0 (…): /lwm/checkpoint: nothing of this path exists: mount the volume",
        "Check the volume of the claim, then raise `spec.resume`.",
    )
    PLATFORM_MISSING = (
        "PlatformMissing",
        "The trainer image was not built for the accelerator.",
        "host 0 (…): accelerator.type tpu: this image has no libtpu: use one built with --build-arg ACCELERATOR=tpu",
        "Set `spec.image` (or the chart's `trainer.image`) to an image built for it, then raise `spec.resume`.",
    )
    DEVICES_MISSING = (
        "DevicesMissing",
        "A host has fewer or more devices than `spec.accelerator` implies, or its driver does not answer.",
        "host 3 (…): accelerator.type gpu: JAX finds 7 devices on this host instead of 8",
        "Nothing the first time: the operator retries and avoids a node that fails again. On all nodes: correct `spec.accelerator`.",
    )
    DEVICE_FAULT = (
        "DeviceFault",
        "A device of the host failed: its memory (ECC), its links or its driver, or it was reset.",
        "host 2 (…): JaxRuntimeError: INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered",
        "Nothing the first time: the operator retries and avoids a node that fails again. Have that node's devices checked.",
    )
    STORAGE_FULL = (
        "StorageFull",
        "The volume has no space left.",
        "host 0 (…): OSError: [Errno 28] No space left on device",
        "Free space or use a larger volume. The operator retries by itself.",
    )
    CLAIM_DENIED = (
        "ClaimDenied",
        "The user of the trainer (65532) may not write to the claim.",
        "host 0 (…): /lwm/checkpoint: Permission denied",
        "Make the folder on the volume writable for user or group 65532, then raise `spec.resume`.",
    )
    STORAGE_UNAVAILABLE = (
        "StorageUnavailable",
        "The storage did not answer, or answered with server errors, for too long.",
        "host 0 (…): bucket lwm-runs: 503 for 300 s",
        "Nothing: the operator retries. If it recurs, check the storage.",
    )
    TRANSIENT = (
        "Transient",
        "The storage, the network or the rendezvous failed in a way that a retry may resolve.",
        "host 1 (…): no answer from the coordinator for 900 s",
        NEXT,
    )
    UNCAUGHT_EXCEPTION = (
        "UncaughtException",
        "An unexpected exception in the trainer.",
        "host 0 (…): ZeroDivisionError: division by zero",
        "Read the pod's log with `kubectl logs` (the pod is kept). Report the exception if it is a defect of the trainer.",
    )
    HANG = (
        "Hang",
        "No step completed within the deadline of the phase.",
        "host 1 (…): Training: nothing new for 312 s, longer than the 300 s allowed, with 41 of 60 steps done and 42 begun; "
        "the main thread is in …",
        "Nothing the first time. If it recurs on one node, check the node. The logs contain the stack of every host.",
    )
    LEASE_NOT_RENEWED = (
        "LeaseNotRenewed",
        "Process 0 has not renewed its Lease for too long although its pod runs.",
        "host 0 has not renewed its Lease since 2026-01-01T12:00:00Z, at step 40 in phase Training",
        "Nothing the first time. If it recurs, check the network path from the pods to the API server (network policies).",
    )
    DIVERGED = (
        "Diverged",
        "The loss or the gradient norm is not finite.",
        "host 0 (…): step 57: loss nan, gradient norm nan: lower optimizer.peakLearningRate or clipNorm",
        "See `spec.failurePolicy.onDivergence`. Lower the learning rate, or skip the data.",
    )
    GATE_FAILED = (
        "GateFailed",
        "The stage is trained and its final checkpoint is kept, but a loss or score does not meet `stages[].gate`.",
        "host 0 (…): validation loss 3.4102 is above gate.maxValidationLoss 3.2 (held-out text 3.4102)",
        "Look at `status.stages[].validationLoss` and `gateSuites`. Raise `spec.resume` to let the stage through as it is.",
    )
    SAVED_ON_REQUEST = (
        "SavedOnRequest",
        "The hosts received SIGTERM, saved a checkpoint and exited. Charged to `budgets.disruption` only.",
        "host 0 (…): SIGTERM: step 41 is saved",
        NEXT,
    )
    HOST_LOST = (
        "HostLost",
        "A host was lost. Only its peers, which failed in consequence, report it.",
        "host 1 (bible-s1-a1-1-x7k2p on node node2) went silent; its peers lost it: …",
        NEXT,
    )
    PREPARATION_NOT_REPORTED = (
        "PreparationNotReported",
        "All workers of a preparation exited with 0, but none reported where the data set is.",
        "data set books: all 2 workers exited with 0, but none reported where the data is",
        "Use the trainer image of the operator's version, then raise `spec.resume`.",
    )
    COMPLETED_WITHOUT_CHECKPOINT = (
        "CompletedWithoutCheckpoint",
        "All hosts exited with 0, but none reported the final checkpoint of the stage.",
        "all hosts exited with 0, but none reported the final checkpoint of the stage",
        "Use the trainer image of the operator's version.",
    )


class KubernetesReason(Reason):
    """Why an attempt ended, as Kubernetes reports it"""

    OUT_OF_MEMORY = (
        "OOMKilled",
        "A container reached its memory limit.",
        "host 0 (…): out of memory: the container's limit of 2Gi was reached: raise podTemplate.resources.limits.memory",
        "Raise `spec.podTemplate.resources.limits.memory`, or use more hosts.",
    )
    KILLED = (
        "Killed",
        "The process was killed with SIGKILL, for an unknown reason.",
        "host 0 (bible-s1-a1-0-x7k2p on node node1): exit code 137",
        NEXT,
    )
    SEGMENTATION_FAULT = (
        "SegmentationFault",
        "The process crashed in native code.",
        "host 0 (bible-s1-a1-0-x7k2p on node node1): exit code 139",
        "Nothing the first time. If it recurs on one node, its memory or accelerator may be defective.",
    )
    EXIT_CODE = (
        "ExitCodeN",
        "The program exited with code N, which is not one of the trainer's.",
        'host 0 (…): exec: "python": executable file not found in $PATH',
        "Check that `spec.image` is the trainer image. The pod's log is kept.",
    )
    EPHEMERAL_STORAGE_EXCEEDED = (
        "EphemeralStorageExceeded",
        "The pod used more local storage than its own limit allows, so the kubelet evicted it. This is no pressure on the node.",
        'host 0 (…): Usage of EmptyDir volume "shared-memory" exceeds the limit "16Gi".: raise accelerator.gpu.sharedMemory',
        "Raise the limit that the message names.",
    )
    DEADLINE_EXCEEDED = (
        "DeadlineExceeded",
        "The pod has an activeDeadlineSeconds, which the operator never sets, and it ran out.",
        "host 0 (…): Pod was active on the node longer than the specified deadline: …",
        "Find what sets `activeDeadlineSeconds` on pods (a webhook, a policy) and raise or remove it.",
    )
    CONTAINER_FAILED = (
        "ContainerFailed",
        "A container other than the trainer failed: an init container or a sidecar, often one that a webhook added.",
        "host 0 (…): init container vault-agent-init ended with 2: permission denied: role trainer",
        "Correct what the message says where that container is defined, or leave the pods out of the webhook.",
    )
    EVICTED = (
        "Evicted",
        "The pod was evicted by the node or through the eviction API. Charged to `budgets.disruption` only.",
        "host 1 (…): The node was low on resource: memory.",
        NEXT,
    )
    PREEMPTED = (
        "Preempted",
        "A pod of higher priority preempted it. Charged to `budgets.disruption` only.",
        "host 1 (…): Preempted in order to admit critical pod",
        NEXT,
    )
    PREEMPTING = (
        "Preempting",
        "A critical pod preempted it. Charged to `budgets.disruption` only.",
        "host 1 (…): Preempted in order to admit critical pod",
        NEXT,
    )
    TAINTED_NODE = (
        "TaintedNode",
        "The node got a taint that the pod does not tolerate, for example because the node is not reachable.",
        "host 1 (…): Taint manager: deleting due to NoExecute taint",
        NEXT,
    )
    TERMINATED = (
        "Terminated",
        "The node shut down and terminated the pod. Charged to `budgets.disruption` only.",
        "host 1 (…): Pod was terminated in response to imminent node shutdown.",
        NEXT,
    )
    NODE_SHUTDOWN = ("NodeShutdown", "The node shut down.", "host 1 (…): Pod was rejected as the node is shutting down.", NEXT)
    SHUTDOWN = ("Shutdown", "The node shut down.", "host 1 (…): Node is shutting down", NEXT)
    NODE_LOST = ("NodeLost", "The node is lost.", "host 1 (…): it failed without an exit code", NEXT)
    NODE_GONE = (
        "NodeGone",
        "The node was removed from the cluster. Charged to `budgets.disruption` only.",
        "host 1 (…): node node2 is gone",
        NEXT,
    )
    NODE_RECLAIMED = (
        "NodeReclaimed",
        "The provider is taking the node back, or it is a spot node that no longer answers. Not held against the node.",
        "host 1 (…): node node2 is being taken back by its provider",
        NEXT,
    )
    NODE_REBOOTED = (
        "NodeRebooted",
        "The node rebooted under the container (exit code 255, reason Unknown).",
        "host 1 (…): the node rebooted, or its container runtime lost the container: exit code 255",
        "Nothing the first time: the operator retries and avoids a node that fails again.",
    )
    START_ERROR = (
        "StartError",
        "The node cannot start the container, often because of its driver or container runtime.",
        "host 1 (…): failed to create containerd task: nvidia-container-cli: initialization error: nvml error: driver not loaded",
        "Nothing the first time: the operator retries and avoids a node that fails again. Have that node's driver checked.",
    )
    CONTAINER_STATUS_UNKNOWN = (
        "ContainerStatusUnknown",
        "The kubelet lost the container, for example because the node or its container runtime restarted.",
        "host 1 (…): The container could not be located when the pod was terminated",
        "Nothing the first time: the operator retries and avoids a node that fails again.",
    )
    NODE_AFFINITY = (
        "NodeAffinity",
        "The labels of the node no longer match the pod.",
        "host 1 (…): Pod was rejected: Predicate NodeAffinity failed",
        NEXT,
    )
    OUT_OF = (
        "OutOfN",
        "The node rejected the pod because resource N is exhausted (OutOfcpu, OutOfmemory, OutOfpods, OutOfephemeral-storage).",
        "host 1 (…): Pod was rejected: Node didn't have enough resource: cpu",
        NEXT,
    )
    UNEXPECTED_ADMISSION = (
        "UnexpectedAdmissionError",
        "The node rejected the pod, often because a device is missing.",
        "host 1 (…): Allocate failed due to requested number of devices unavailable",
        "Nothing the first time. If it recurs, check the device plugin of the node.",
    )
    POD_DELETED = ("PodDeleted", "A pod was deleted. Charged to `budgets.disruption` only.", "host 1 (…): it was deleted", NEXT)
    POD_FAILED = ("PodFailed", "A pod failed without an exit code.", "host 1 (…): it failed without an exit code", NEXT)
    JOB_DELETED = ("JobDeleted", "The Job of the attempt was deleted.", "the Job of the attempt was deleted", NEXT)
    JOB_FAILED = ("JobFailed", "The Job failed, and its pods no longer exist.", "the Job failed and its pods no longer exist", NEXT)
