"""What COUNT histories must reach, each LEAST times: a generator of happy histories would prove nothing."""

from collections import Counter
from collections.abc import Mapping
from typing import get_args

from lwm_operator.api.attempt_status import AttemptState, FailureClass
from lwm_operator.api.stage_status import StageState
from lwm_operator.api.status import Phase
from lwm_operator.plan.actions import Action
from lwm_operator.plan.reasons import EventReason
from simulation.version_skew import Skew

COUNT = 6000
LEAST = COUNT // 100
"""One in a hundred histories: seeds are fixed, and any change of the moves shifts the rare ones by some."""

EVENTS = tuple(str(reason) for reason in EventReason if reason not in (EventReason.ACTION_FAILED, EventReason.UNREADABLE))
"""The Events of the plan; those two are the controller's."""

REASONS = (
    # where it stands
    "BackingOff Complete CreateFailed Creating InvalidSpec Suspended Suspending WaitingForPods "
    # why pods do not run
    "ConfigError ContainerCreating ImagePull PodsMissing Queued SchedulingGated Unschedulable "
    # what the trainer does
    "Preparing Rendezvous LoadingData Restoring Compiling Training Validating Evaluating Saving "
    # why an attempt ended: the trainer's reasons and codes
    "BadArguments BadCheckpoint BadConfig BadData BucketDenied BucketMissing Diverged ExitCode1 GateFailed Hang HostLost Killed "
    "CompletedWithoutCheckpoint DataCorrupt DataMissing PreparationNotReported SavedOnRequest SegmentationFault StorageDenied Transient "
    "UncaughtException "
    # and Kubernetes' reasons, what users do, the operator's own decisions
    "AvoidedNodesNeeded ContainerFailed ContainerStatusUnknown DeadlineExceeded DeviceFault EphemeralStorageExceeded NodeReclaimed "
    "NodeRebooted StartError Evicted EvictedByQueue JobDeleted LeaseNotRenewed NodeAffinity NodeGone NodeLost NodeNotReady NodeShutdown "
    "OOMKilled OutOfcpu OutOfmemory OutOfpods PlacementTimeout PodDeleted PodFailed Preempted Preempting Shutdown "
    "StartupTimeout Superseded TaintedNode Terminated UnexpectedAdmissionError"
).split()

WANTED: dict[str, tuple[str, ...]] = {
    "class": tuple(FailureClass),
    "phase": tuple(Phase),
    "attempt": tuple(AttemptState),
    "stage": tuple(StageState),
    "action": tuple(action.__name__ for action in get_args(Action)),
    "leftovers": ("of a deleted Job",),
    "event": EVENTS,
    "decision": tuple(REASONS),
    "situation": ("ClockSetBack", "ClockSetForward", "NameTaken", "NewDefault", "NodesOneByOne", "ReleaseInterrupted", "SliceRefused"),
    "move": ("delete companion", "evict by over-use", "device fault", "reboot", "start error", "reclaim node", "watchdogs"),
    "stop": (FailureClass.DISRUPTION,),
    "blame": ("a node", "nobody"),
    "trainer": get_args(Skew),
    "upgrade": (
        "in the middle of a stage",
        "and another spec while suspended",
        "that renames fields",
        "that renames fields of a running attempt",
    ),
    "restore": ("under another uid",),
    "storage": ("lost the newest checkpoint", "lost a prepared data set"),
    "sidecar": ("outlives a trainer that ends well", "outlives a trainer that fails"),
    "data": ("prepared again", "lost too often"),
}


def missing(reached: Mapping[str, int], least: int = LEAST) -> dict[str, int]:
    """Return what was reached less often than `least`, with its count."""
    wanted = [f"{kind} {name}" for kind, names in WANTED.items() for name in names]
    return {name: reached.get(name, 0) for name in wanted if reached.get(name, 0) < least}


def table(reached: Counter[str]) -> str:
    """Return all counts, a line for each kind, also those that need not be reached."""
    lines = []
    for kind in (*WANTED, "for ever"):
        counts = {name.removeprefix(f"{kind} "): count for name, count in sorted(reached.items()) if name.startswith(f"{kind} ")}
        lines.append(f"{kind}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return "\n".join(lines)
