"""What a training does, from the first attempt's intent to the last stage's end."""

from lwm_operator.plan.reasons.reason import Reason


class RunningReason(Reason):
    """While the pods run"""

    RENDEZVOUS = (
        "Rendezvous",
        "All pods run and look for each other.",
        "2 of 2 hosts run and look for each other",
        "Nothing: it takes seconds, and ends in Transient after 15 minutes.",
    )
    LOADING_DATA = (
        "LoadingData",
        "The hosts read the data sets and pack them.",
        "2 of 2 hosts run, loading data",
        "Nothing.",
    )
    RESTORING = (
        "Restoring",
        "The hosts read the checkpoint that they start from.",
        "2 of 2 hosts run, restoring the checkpoint",
        "Nothing.",
    )
    COMPILING = (
        "Compiling",
        "The step's program is compiled, or taken from the cache on the run's storage.",
        "2 of 2 hosts run, compiling the step from step 40",
        "Nothing: long contexts take minutes the first time.",
    )
    TRAINING = (
        "Training",
        "Steps are computed.",
        "step 29/30, loss 4.6994, 1.7k tokens/s",
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
        "The stage's final checkpoint is committed, or (phase Complete) that of the last stage.",
        "3 of 3 stages complete, loss 4.3830, checkpoint gs://lwm/runs/default/bible-22678b87/s3-ctx4096/a1/30",
        "Nothing.",
    )
    PREPARING = (
        "Preparing",
        "A data set that the stage draws on is encoded by pods of its own (`spec.datasets[].preparation`).",
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

    REFUSED = (
        "Refused",
        "The spec makes no sense, and nothing is created for it.",
        "spec.model.width: 126 is not a multiple of fsdp x sp = 4, its shards: use 128 or another mesh",
        "Correct the field that the message names.",
    )
    CREATING = (
        "Creating",
        "The attempt's Job is being created.",
        "attempt 1 is being created",
        "Nothing.",
    )
    CREATE_FAILED = (
        "CreateFailed",
        "The API server refuses what the attempt needs, or something of its name belongs to somebody else.",
        "create attempt 1 of stage 1: Service bible exists and is not this training's: delete it, or name the training otherwise",
        "Do as the message says. It is tried again.",
    )
    WAITING_FOR_PODS = (
        "WaitingForPods",
        "Pods of an earlier attempt still run; they write nowhere where the next one reads, but hold its place.",
        "attempt 2 waits until 1 pods of an earlier one are gone: bible-s1-a1-0-x7k2p",
        "Nothing, for half a minute. If it stays, look at the pod and its node.",
    )
    BACKING_OFF = (
        "BackingOff",
        "The last attempt failed without a new commit, so the next one waits: 10 s, doubling to 5 minutes.",
        "attempt 3 at 2026-01-01T12:00:40Z, after Uncaught: host 0 (bible-s1-a2-0-x7k2p on node node1): division by zero",
        "Read what it failed of: the reason after the word `after` stands below.",
    )
    STAGE_COMPLETE = (
        "StageComplete",
        "A stage has ended, and the next one begins.",
        "stage 1/3 ctx512: complete",
        "Nothing.",
    )
    SUSPENDING = (
        "Suspending",
        "`spec.suspend` is true: the hosts save and leave.",
        "attempt 2 saves and leaves, 1 of 2 pods are still there",
        "Nothing.",
    )
    SUSPENDED = (
        "Suspended",
        "`spec.suspend` is true and no pod runs.",
        "nothing runs until spec.suspend is false",
        "Set `spec.suspend` to false to go on.",
    )
    SUPERSEDED = (
        "Superseded",
        "The spec was edited before the attempt's pods ran: it is made anew.",
        "image, podTemplate or execution was edited before its pods ran: they are made anew",
        "Nothing.",
    )
    PLACEMENT_TIMEOUT = (
        "PlacementTimeout",
        "Some pods found a node and others did not for too long: all are released, so that two trainings cannot hold each other up.",
        "1 of 2 pods found no node for 900 s while the others held theirs: 0/2 nodes are available: 2 Insufficient memory.",
        "Nothing: it is tried again. Free or add nodes if it comes again and again.",
    )
    EVICTED_BY_QUEUE = (
        "EvictedByQueue",
        "The queue took the nodes back (its Job was suspended): the hosts saved and left. Not charged to any budget.",
        "queue team took the nodes back: Preempted: Preempted to accommodate a workload due to prioritization in the ClusterQueue",
        "Nothing: the next attempt waits in the queue and goes on from the last commit.",
    )
    FAILED = (
        "Failed",
        "The training has stopped, and its last attempt is no longer in its status.",
        "attempt 12 failed: an unknown cause: mend it, then set spec.resume to 1",
        "Look at the Events and the pods' logs, then raise `spec.resume`.",
    )
    NO_ROOM_WITHOUT_AVOIDED = (
        "NoRoomWithoutAvoided",
        "No node is left but those that failed before: they are used again.",
        "no node was found for 60 s without node2: they are avoided no longer",
        "Repair or replace those nodes.",
    )
