"""Why an attempt ended: the reason of a training that recovers, is paused or has failed, and of each attempt's root cause."""

from lwm_operator.plan.reasons.reason import Reason

NEXT = "Nothing: the next attempt starts from the last commit."


class TrainerReason(Reason):
    """Why an attempt ended: by the trainer's own word"""

    BAD_ARGUMENTS = (
        "BadArguments",
        "The trainer's environment or command line is wrong. Not tried again.",
        "host 0 (…): JOB_COMPLETION_INDEX is not set",
        "Use the trainer's image of the operator's version; look at `spec.podTemplate.env`.",
    )
    BAD_DATA = (
        "BadData",
        "A data set or the tokenizer does not fit the training. Not tried again.",
        "host 0 (…): the tokenizer has 4096 pieces, spec.model.vocabSize is 2048",
        "Correct the place that the message names, then raise `spec.resume`.",
    )
    DATA_MISSING = (
        "DataMissing",
        "Nothing is where a data set or the tokenizer should be. Not tried again.",
        "host 0 (…): spec.datasets[books].source gs://lwm/books: nothing is there",
        "Put the data there or correct the place, then raise `spec.resume`.",
    )
    DATA_CORRUPT = (
        "DataCorrupt",
        "A data set or the tokenizer is not what it should be. Not tried again.",
        "host 0 (…): gs://lwm/books/ruth.jsonl, line 7: no field text",
        "Mend what the message names, then raise `spec.resume`.",
    )
    BAD_CHECKPOINT = (
        "BadCheckpoint",
        "The checkpoint to start from (spec.model.initFrom, an earlier stage's or attempt's) is not there or does not fit the model. "
        "Not tried again.",
        "host 0 (…): spec.model.initFrom: gs://lwm/llama: model.heads is 32 there, but 16 in this training: …",
        "Put the folder there and raise spec.resume; where the model differs, create a new training with the checkpoint's values.",
    )
    BAD_CONFIG = (
        "BadConfig",
        "The run config makes no sense to the trainer. Not tried again.",
        "host 0 (…): run.json: version 2 is not known",
        "Use the trainer's image of the operator's version.",
    )
    BUCKET_MISSING = (
        "BucketMissing",
        "The bucket of a data set, of the tokenizer or of the checkpoints does not exist.",
        "host 0 (…): spec.checkpoint.uri gs://lwm-runs/x: bucket 'lwm-runs' does not exist: create it, then raise spec.resume",
        "Create the bucket, or correct the URI; then raise `spec.resume`.",
    )
    BUCKET_DENIED = (
        "BucketDenied",
        "The storage refuses the pods' account. Tried twice.",
        "host 0 (…): access to bucket 'lwm-runs' is denied: grant roles/storage.objectAdmin on it to the pod's account",
        "Give the pods' service account (`spec.podTemplate.serviceAccountName`) the right; then raise `spec.resume`.",
    )
    STORAGE_DENIED = (
        "StorageDenied",
        "The storage refuses the pods' account, without a word about which bucket. Tried twice.",
        "host 0 (…): 401 Anonymous caller",
        "Give the pods' service account the right; then raise `spec.resume`.",
    )
    CLAIM_MISSING = (
        "ClaimMissing",
        "The volume's folder is not there, although the claim is.",
        "host 0 (…): /lwm/checkpoint: nothing of this path exists: mount the volume",
        "Look at the volume of the claim, then raise `spec.resume`.",
    )
    PLATFORM_MISSING = (
        "PlatformMissing",
        "The trainer's image was not built for the accelerator.",
        "host 0 (…): accelerator.type tpu: this image has no libtpu: use one built with --build-arg ACCELERATOR=tpu",
        "Set `spec.image` (or the chart's `trainer.image`) to one that was; then raise `spec.resume`.",
    )
    DEVICES_MISSING = (
        "DevicesMissing",
        "A host has fewer (or more) devices than the accelerator means, or its driver does not answer.",
        "host 3 (…): accelerator.type gpu: JAX finds 7 devices on this host instead of 8",
        "Nothing, once: it is tried again, and a node that does it again is avoided. On all nodes: correct `spec.accelerator`.",
    )
    STORAGE_FULL = (
        "StorageFull",
        "No space is left on the volume.",
        "host 0 (…): OSError: [Errno 28] No space left on device",
        "Free space, or take a larger volume. It is tried again.",
    )
    CLAIM_DENIED = (
        "ClaimDenied",
        "The trainer's user (65532) may not write on the claim.",
        "host 0 (…): /lwm/checkpoint: Permission denied",
        "Make the volume's folder writable for user or group 65532; then raise `spec.resume`.",
    )
    STORAGE_UNAVAILABLE = (
        "StorageUnavailable",
        "The storage did not answer, or answered with an error of its own, for too long.",
        "host 0 (…): bucket lwm-runs: 503 for 300 s",
        "Nothing: it is tried again. Look at the storage if it comes again and again.",
    )
    TRANSIENT = (
        "Transient",
        "Storage, network or rendezvous failed in a way that is worth another try.",
        "host 1 (…): no answer from the coordinator for 900 s",
        NEXT,
    )
    UNCAUGHT = (
        "Uncaught",
        "An exception in the trainer that nobody expected.",
        "host 0 (…): ZeroDivisionError: division by zero",
        "Read the pod's log (`kubectl logs`, the pod is kept); report it if it is the trainer's.",
    )
    HANG = (
        "Hang",
        "No step came within the deadline of the phase.",
        "host 1 (…): no step for 312 s in phase Training (deadline 300 s)",
        "Nothing, once. Again and again on one node: look at the node. The hosts' stacks are in their logs.",
    )
    LEASE_SILENT = (
        "LeaseSilent",
        "Process 0 has not renewed its Lease for too long while its pod runs.",
        "host 0 has not renewed its Lease since 2026-01-01T12:00:00Z, at step 40 in phase Training",
        "Nothing, once. Again and again: look at the pods' way to the API server (network policies).",
    )
    DIVERGED = (
        "Diverged",
        "Loss or gradient is not finite.",
        "host 0 (…): step 57: the loss is not finite",
        "See `spec.failurePolicy.onDivergence`; lower the learning rate, or skip the data.",
    )
    GATE_FAILED = (
        "GateFailed",
        "The stage's evaluation gate was not met.",
        "host 0 (…): loss 5.1 is above the gate's 4.8",
        "Look at the stage's loss; raise `spec.resume` to go on.",
    )
    SAVED_ON_REQUEST = (
        "SavedOnRequest",
        "The hosts were told to end, saved, and left. Not charged to any budget.",
        "host 0 (…): SIGTERM: saved step 41",
        NEXT,
    )
    PEER_LOST = (
        "HostLost",
        "A host was lost: only its peers, which are victims, can tell of it.",
        "host 1 (bible-s1-a1-1-x7k2p on node node2) went silent; its peers lost it: …",
        NEXT,
    )
    PREPARED_NOWHERE = (
        "PreparedNowhere",
        "All workers of a preparation left with 0, but none told where the data set lies.",
        "data set books: all 2 workers left with 0, but none said where the data lies",
        "Use the trainer's image of the operator's version, then raise `spec.resume`.",
    )
    COMPLETED_WITHOUT_CHECKPOINT = (
        "CompletedWithoutCheckpoint",
        "All hosts left with 0, but none told of the stage's final checkpoint.",
        "all hosts left with 0, but none reported the stage's final checkpoint",
        "Use the trainer's image of the operator's version.",
    )


class KubernetesReason(Reason):
    """Why an attempt ended: by what Kubernetes and the node say"""

    OUT_OF_MEMORY = (
        "OOMKilled",
        "A container reached its memory limit.",
        "host 0 (…): out of memory: the container's limit of 2Gi was reached: raise podTemplate.resources.limits.memory",
        "Raise `spec.podTemplate.resources.limits.memory`, or use more hosts.",
    )
    KILLED = (
        "Killed",
        "The process was killed (SIGKILL), and nothing says by whom.",
        "host 0 (bible-s1-a1-0-x7k2p on node node1): exit code 137",
        NEXT,
    )
    SEGMENTATION_FAULT = (
        "SegmentationFault",
        "The process crashed in native code.",
        "host 0 (bible-s1-a1-0-x7k2p on node node1): exit code 139",
        "Nothing, once. Again and again on one node: its memory or accelerator may be broken.",
    )
    EXIT_CODE = (
        "ExitCodeN",
        "The program left with code N, which is none of the trainer's.",
        'host 0 (…): exec: "python": executable file not found in $PATH',
        "Is `spec.image` the trainer's? The pod's log is kept.",
    )
    EVICTED = (
        "Evicted",
        "The node or the eviction API sent the pod away. Not charged to any budget.",
        "host 1 (…): The node was low on resource: memory.",
        NEXT,
    )
    PREEMPTED = (
        "Preempted",
        "A pod of higher priority took its place. Not charged to any budget.",
        "host 1 (…): Preempted in order to admit critical pod",
        NEXT,
    )
    PREEMPTING = (
        "Preempting",
        "A critical pod took its place. Not charged to any budget.",
        "host 1 (…): Preempted in order to admit critical pod",
        NEXT,
    )
    TAINTED_NODE = (
        "TaintedNode",
        "The node got a taint that the pod does not tolerate, as in a drain or when it is lost.",
        "host 1 (…): Taint manager: deleting due to NoExecute taint",
        NEXT,
    )
    TERMINATED = (
        "Terminated",
        "The node shut down and ended the pod. Not charged to any budget.",
        "host 1 (…): Pod was terminated in response to imminent node shutdown.",
        NEXT,
    )
    NODE_SHUTDOWN = ("NodeShutdown", "The node shut down.", "host 1 (…): Pod was rejected as the node is shutting down.", NEXT)
    SHUTDOWN = ("Shutdown", "The node shut down.", "host 1 (…): Node is shutting down", NEXT)
    NODE_LOST = ("NodeLost", "The node is lost.", "host 1 (…): it failed without an exit code", NEXT)
    NODE_GONE = ("NodeGone", "The node was removed from the cluster.", "host 1 (…): node node2 is gone", NEXT)
    NODE_AFFINITY = (
        "NodeAffinity",
        "The node's labels no longer fit the pod.",
        "host 1 (…): Pod was rejected: Predicate NodeAffinity failed",
        NEXT,
    )
    OUT_OF = (
        "OutOfN",
        "The node refused the pod for want of the resource N (OutOfcpu, OutOfmemory, OutOfpods).",
        "host 1 (…): Pod was rejected: Node didn't have enough resource: cpu",
        NEXT,
    )
    UNEXPECTED_ADMISSION = (
        "UnexpectedAdmissionError",
        "The node refused the pod, often for want of a device.",
        "host 1 (…): Allocate failed due to requested number of devices unavailable",
        "Nothing, once. Again and again: look at the node's device plugin.",
    )
    POD_DELETED = ("PodDeleted", "Somebody deleted a pod. Not charged to any budget.", "host 1 (…): it was deleted", NEXT)
    POD_FAILED = ("PodFailed", "A pod failed without an exit code.", "host 1 (…): it failed without an exit code", NEXT)
    JOB_DELETED = ("JobDeleted", "Somebody deleted the attempt's Job.", "the Job of the attempt is gone: somebody deleted it", NEXT)
    JOB_FAILED = ("JobFailed", "The Job failed, and its pods are gone.", "the Job failed and its pods are gone", NEXT)
