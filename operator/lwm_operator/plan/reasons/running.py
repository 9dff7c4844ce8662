"""What a training is doing while pods run, between attempts, and in conditions that are not true."""

from lwm_operator.plan.reasons.reason import Reason


class RunningReason(Reason):
    """While the pods run"""

    RENDEZVOUS = (
        "Rendezvous",
        "All pods run and connect to each other.",
        "2 of 2 hosts run, connecting to each other",
        "Nothing: it takes seconds. After 15 minutes the attempt fails with Transient.",
    )
    LOADING_DATA = (
        "LoadingData",
        "The hosts read the data sets and pack them.",
        "2 of 2 hosts run, loading data",
        "Nothing.",
    )
    RESTORING = (
        "Restoring",
        "The hosts read the checkpoint that the attempt starts from.",
        "2 of 2 hosts run, restoring the checkpoint",
        "Nothing.",
    )
    COMPILING = (
        "Compiling",
        "The train step is compiled, or loaded from the compile cache on the checkpoint storage.",
        "2 of 2 hosts run, compiling the step from step 40",
        "Nothing: the first compile for a long context takes minutes.",
    )
    TRAINING = (
        "Training",
        "The hosts compute steps.",
        "step 29/30, loss 4.6994, 1.7k tokens/s",
        "Nothing.",
    )
    VALIDATING = (
        "Validating",
        "The hosts compute the loss on held-out documents (`stages[].validation`).",
        "step 20/30, loss 4.6994, validation loss 4.8120, 1.7k tokens/s",
        "Nothing.",
    )
    EVALUATING = (
        "Evaluating",
        "The hosts ask the suites of the stage's gate (`stages[].gate.suites`) after its last step.",
        "step 30/30, loss 4.6994, validation loss 4.8120, 1.7k tokens/s",
        "Nothing.",
    )
    SAVING = (
        "Saving",
        "The hosts wait until a checkpoint is committed.",
        "step 30/30, loss 4.6994, 1.7k tokens/s",
        "Nothing.",
    )
    COMPLETE = (
        "Complete",
        "The final checkpoint is committed: the stage's, or in phase Complete the last stage's.",
        "3 of 3 stages complete, loss 4.3830, checkpoint gs://lwm/runs/default/bible-22678b87/s3-ctx4096/a1/30",
        "Nothing.",
    )
    PREPARING = (
        "Preparing",
        "Preparation pods encode a data set that the stage needs (`spec.datasets[].preparation`).",
        "data set books: 3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left",
        "Nothing.",
    )
    PREPARED = (
        "Prepared",
        "In `status.datasets`: the data set is ready.",
        "1.2k documents, 1.2M tokens, 3 records skipped",
        "Nothing.",
    )


class LifecycleReason(Reason):
    """Between attempts"""

    INVALID_SPEC = (
        "InvalidSpec",
        "The spec is invalid, so nothing is created for it.",
        "spec.model.width: 126 is not a multiple of fsdp x sp = 4, its shards: use 128 or another mesh",
        "Correct the field that the message names.",
    )
    UNREADABLE = (
        "Unreadable",
        "The operator cannot parse the training, because the CRD and the operator differ in version. What runs goes on, unwatched.",
        "spec.stages: Input should be a valid array: the CRD and the operator differ in version, upgrade the chart",
        "Install CRD and operator from the same chart.",
    )
    CREATING = (
        "Creating",
        "The attempt's Job is being created.",
        "attempt 1 is being created",
        "Nothing.",
    )
    CREATE_FAILED = (
        "CreateFailed",
        "The API server rejects an object that is needed next, or an object of that name belongs to somebody else.",
        "create attempt 1 of stage 1: Service bible exists but belongs to another owner: delete it, or give the training another name",
        "Follow the message. The operator retries by itself.",
    )
    CHECKPOINT_UNKNOWN = (
        "CheckpointUnknown",
        "The status says that a stage is complete, and does not say where its final checkpoint is. It was edited, or restored in part.",
        "stage 2/3 ctx1024: stage ctx512 is complete, but status.stages[0].finalCheckpoint is missing: …",
        "Follow the message. Parameters are never drawn anew after the first stage.",
    )
    WAITING_FOR_PODS = (
        "WaitingForPods",
        "Pods of an earlier attempt still hold the nodes. They cannot disturb the next attempt's checkpoints.",
        "attempt 2 is waiting for 1 pod of an earlier attempt to terminate: bible-s1-a1-0-x7k2p",
        "Nothing for half a minute. If it persists, check the pod and its node.",
    )
    BACKING_OFF = (
        "BackingOff",
        "The last attempt failed without a new checkpoint, so the next one is delayed: 10 s, doubling up to 5 minutes.",
        "attempt 3 at 2026-01-01T12:00:40Z, after UncaughtException: host 0 (bible-s1-a2-0-x7k2p on node node1): division by zero",
        "Look up the reason that follows the word `after` in the tables below.",
    )
    STAGE_COMPLETE = (
        "StageComplete",
        "A stage is complete, and the next one begins.",
        "stage 1/3 ctx512: complete",
        "Nothing.",
    )
    SUSPENDING = (
        "Suspending",
        "`spec.suspend` is true: the hosts save a checkpoint and exit.",
        "attempt 2 saves and exits, 1 of 2 pods are still there",
        "Nothing.",
    )
    SUSPENDED = (
        "Suspended",
        "`spec.suspend` is true and no pod runs.",
        "nothing runs until spec.suspend is false",
        "Set `spec.suspend` to false to continue.",
    )
    SUPERSEDED = (
        "Superseded",
        "The spec was edited before the attempt's pods ran, so the pods are created again.",
        "image, podTemplate or execution was edited before the pods ran: they are created again",
        "Nothing.",
    )
    PLACEMENT_TIMEOUT = (
        "PlacementTimeout",
        "Some pods got nodes, but not all within `execution.placementTimeoutSeconds` of the first. All nodes are released, so that two"
        " trainings cannot deadlock.",
        "1 of 2 pods found no node for 900 s while the others held theirs: 0/2 nodes are available: 2 Insufficient memory.",
        "Nothing: the operator retries. If it recurs, free or add nodes.",
    )
    STARTUP_TIMEOUT = (
        "StartupTimeout",
        "All pods had nodes, but no step was reported within `execution.startupTimeoutSeconds`. Class Infra.",
        "no step within 10800 s (execution.startupTimeoutSeconds) after all pods had nodes: host 1 (bible-s1-a1-1-x7k2p on node node2):"
        " FailedCreatePodSandBox: cni plugin not initialized",
        "Follow the message. If start-up is healthy and only slow (a large image, checkpoint or program), raise the timeout.",
    )
    EVICTED_BY_QUEUE = (
        "EvictedByQueue",
        "The queue took the nodes back by suspending the Job; the hosts saved and exited. Charged to `budgets.disruption` only.",
        "queue team took the nodes back: Preempted: Preempted to accommodate a workload due to prioritization in the ClusterQueue",
        "Nothing: the next attempt waits in the queue and resumes from the last checkpoint.",
    )
    FAILED = (
        "Failed",
        "The training has stopped, and its status no longer contains the last attempt.",
        "attempt 12 failed: an unknown cause; it stopped: fix it, then set spec.resume to 1",
        "Look at the Events and the pods' logs, then raise `spec.resume`.",
    )
    AVOIDED_NODES_NEEDED = (
        "AvoidedNodesNeeded",
        "For 30 minutes no node was free except those that failed before, so the one that failed the longest ago is used again. On slices"
        " of several TPU hosts whole node pools are avoided.",
        "no node was found for 1800 s: node2 is no longer avoided, of node2, node5",
        "Repair or replace those nodes.",
    )


class ConditionReason(Reason):
    """In conditions only"""

    SPEC_VALID = (
        "SpecValid",
        "The condition Accepted is True: the spec can be run.",
        "warning: spec.stages[ctx4096].ropeTheta: 1e+04 lies below 2.8e+04, the least for 4096 tokens",
        "Nothing, or follow the warning.",
    )
    NOT_SUSPENDED = ("NotSuspended", "The condition Suspended is False.", "(no message)", "Nothing.")
    NOT_STALLED = ("NotStalled", "The condition Stalled is False: no user needs to act.", "(no message)", "Nothing.")
    NOT_COMPLETE = ("NotComplete", "The condition Complete is False.", "(no message)", "Nothing.")
    NOT_FAILED = ("NotFailed", "The condition Failed is False.", "(no message)", "Nothing.")
