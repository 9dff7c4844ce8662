"""Short scripts of moves that tend to happen together, with passes of the operator in between."""

from collections.abc import Callable
from random import Random

from simulation.moves import Move

Script = list[Move]

CODES = [
    int(code)
    for code in (
        "1 1 1 64 64 65 65 66 66 70 70 70 75 75 75 75 75 75 75 75 76 76 77 77 77 77 77 77 77 77 77 77 78 78 "
        "79 80 80 80 80 80 80 80 80 80 80 81 81 81 82 82 82 82 82 82 82 82 83 134 137 137 139 139 139 139 139 139 139 139 143"
    ).split()
]
IMAGE = ("ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError", "SchedulingGated", "Odd")
WORKER_CODES = (137, 137, 75, 75, 70, 77, 64, 78)
DISRUPTED = (
    "Evicted",
    "Preempted",
    "Preempted",
    "TaintedNode",
    "TaintedNode",
    "TaintedNode",
    "TaintedNode",
    "NodeGone",
    "NodeGone",
    "NodeGone",
)
REJECTED = (
    "ContainerFailed DeadlineExceeded NodeAffinity NodeLost NodeShutdown OutOfcpu OutOfmemory OutOfpods Preempting Shutdown Terminated "
    "UnexpectedAdmissionError"
).split()
WAITS = (2.0, 11.0, 11.0, 61.0, 130.0, 400.0, 4000.0)
JUMPS = (-7200.0, -600.0, -60.0, 60.0, 600.0, 7200.0)
PASSES = ("reconcile", "crash", "time out", "pause", "pause before observing", "resume stale", "check rest")
PREPARING = ("Rendezvous", "LoadingData", "Restoring", "Compiling", "Validating", "Evaluating", "Saving")


class Randomness(Random):
    """A seeded source for one history, which also draws how often passes complete and how often the operator is absent."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.steady = self.uniform(0.6, 0.95)
        self.absence = self.choice((0.0, 0.05, 0.2))


def passes(rng: Randomness) -> Script:
    """Return a whole pass, or now and then one that crashes, pauses or loses a request."""
    if rng.random() < rng.steady:
        return [("reconcile",)]
    return [
        rng.choice(
            (
                ("crash", rng.choice((0, 1, 1, 2))),
                ("time out", rng.choice((0, 1)), rng.random() < 0.5),
                ("pause", rng.choice((0, 1, 1))),
                ("pause before observing",),
                ("resume stale",),
                ("check rest",),
            )
        )
    ]


def _upgrade(rng: Randomness) -> Script:
    """Between any two writes of the operator; trainers that run may be of another version from then on."""
    before: Script = [rng.choice((("pause", rng.choice((0, 1, 2))), ("crash", rng.choice((0, 1, 2))), ("reconcile",)))]
    skew: Script = [("skew", rng.choice(("same", "newer", "older")))]
    return [*before, ("upgrade",), *skew, *passes(rng)]


def _upgrade_suspended(rng: Randomness) -> Script:
    """A begun stage is suspended, the operator upgraded, and the training applied with other fields before it goes on."""
    suspended: Script = [("start",), ("train", 5, True), ("suspend", True), ("reconcile",), ("settle",), ("reconcile",)]
    return [
        *suspended,
        ("upgrade",),
        *passes(rng),
        ("apply changed", rng.choice((2, 5, 7))),
        *passes(rng),
        ("suspend", False),
        *passes(rng),
    ]


def _restore(rng: Randomness) -> Script:
    return [("restore",), *passes(rng), ("wait", 11.0), *passes(rng)]


def _lose_checkpoint(rng: Randomness) -> Script:
    """Two commits, a failure of both hosts, and the storage loses the newer commit."""
    commits: Script = [("train", 5, True), ("train", 5, True), ("reconcile",), ("fail", 0, 137, "mute"), ("fail", 1, 137, "mute")]
    again: Script = [("sync jobs",), ("reconcile",), ("settle",), ("reconcile",), ("wait", 400.0), ("reconcile",)]
    return [*commits, ("lose checkpoint",), *again, ("start",), ("train", 1, False), *passes(rng)]


def _sidecars(rng: Randomness) -> Script:
    """Pods get a container that does not end by itself, or no longer. One is killed after all trainers have ended well."""
    ended: Script = [("run to the end",), ("delete pod", _host(rng)), ("terminate deleted",), ("sync jobs",), *passes(rng)]
    return [("sidecars", True), *ended] if rng.random() < 0.4 else [("sidecars", rng.random() < 0.7)]


def _host(rng: Randomness) -> int:
    return rng.randrange(2)


def _advance(rng: Randomness) -> Script:
    """To the next commit."""
    return [("start",), *passes(rng), ("train", 5, True), *passes(rng)]


def _break(rng: Randomness) -> Script:
    """A host fails, its peer notices or not."""
    moves: Script = [("fail", _host(rng), rng.choice(CODES), rng.choice(("message", "message", "long", "mute", "mute")))]
    if rng.random() < 0.3:
        moves += passes(rng)
    if rng.random() < 0.6:
        moves += [("lose peers", rng.choice((79, 79, 134)))]
    return [*moves, ("sync jobs",), *passes(rng)]


def _hardware(rng: Randomness) -> Script:
    """A device or a node fails under a host; its peer loses it, sooner or later."""
    watchdogs: Move = ("watchdogs", rng.choice((None, 0, 1)))
    fault = rng.choice((("device fault", _host(rng)), ("reboot", _host(rng), False), ("reboot", _host(rng), True), watchdogs))
    moves: Script = [fault]
    if rng.random() < 0.3:
        moves += passes(rng)
    return [*moves, ("lose peers", rng.choice((79, 134))), ("sync jobs",), *passes(rng)]


def _reclaim(rng: Randomness) -> Script:
    """The provider takes a spot node back, and its object goes, too, or a node of the same name returns."""
    end: Move = rng.choice((("taint",), ("forget node", 1), ("recover nodes",)))
    return [("reclaim node", 1), ("lose peers", 79), *passes(rng), ("wait", 31.0), *passes(rng), end, *passes(rng)]


def _preempt_repeatedly(rng: Randomness) -> Script:
    """An attempt after the other is preempted before it commits anything, more often than its budget allows."""
    moves: Script = [("budgets", 1, 3, 1, 2)]
    for _ in range(4):
        moves += [("admit",), ("start",), ("evict", _host(rng), "Preempted"), ("reconcile",), ("settle",), ("wait", 400.0), ("reconcile",)]
        moves += [("settle",), ("reconcile",), ("wait", 400.0), ("reconcile",)]
    return moves


def _recover(rng: Randomness) -> Script:
    """What holds the next attempt up goes by."""
    return [("settle",), *passes(rng), ("wait", rng.choice((11.0, 61.0, 400.0))), *passes(rng)]


def _lose_nodes(rng: Randomness) -> Script:
    how = rng.choice(("dead", "cut", "alive", "alive"))
    moves: Script = [("unready", _host(rng), how)]
    if rng.random() < 0.5:
        moves += [("unready", 0, how), ("unready", 1, how)]
    if rng.random() < 0.5:
        moves += [("wait", 31.0), *passes(rng)]
    return [*moves, ("taint",), *passes(rng)]


def _zombie_returns(rng: Randomness) -> Script:
    """Its node comes back just when the next attempt has been decided upon."""
    lost: Script = [("unready", 1, "alive"), ("taint",), ("reconcile",), ("settle",), ("wait", 11.0), ("reconcile",), ("settle",)]
    return [*lost, ("crash", 1), ("wait", 11.0), ("crash", 1), ("recover nodes",), ("reconcile",), ("settle",), *passes(rng)]


def _avoid(rng: Randomness) -> Script:
    """A node is avoided, and without it there is no room."""
    broken: Script = [("avoid", 1), ("fail", 1, 137, "mute"), ("lose peers", 79), ("sync jobs",), ("reconcile",), ("settle",)]
    return [
        *broken,
        ("wait", 400.0),
        ("reconcile",),
        ("capacity", rng.choice((0, 0, 1))),
        ("unschedule",),
        ("schedule",),
        ("reconcile",),
        ("wait", 61.0),
        *passes(rng),
        ("wait", 1801.0),
        *passes(rng),
        ("capacity", None),
    ]


def _prepare(rng: Randomness) -> Script:
    phase = rng.choice(PREPARING)
    return [
        ("start",),
        *([("train", 1, False)] if phase in ("Validating", "Evaluating", "Saving") else []),
        ("enter phase", phase),
        *passes(rng),
    ]


def _lag(rng: Randomness) -> Script:
    """The Job controller sleeps."""
    happens = rng.choice((("force delete pod", _host(rng)), ("delete pod", _host(rng)), ("reconcile",)))
    return [("lag", True), happens, ("settle",), *passes(rng), ("wait", 11.0), *passes(rng), ("lag", False), ("sync jobs",)]


def _end_mute(rng: Randomness) -> Script:
    """All leave with 0, and nobody hears which checkpoint is the last one."""
    return [("start",), ("train", 5, True), ("silence",), ("train", 100, True), ("finish mute",), ("sync jobs",), *passes(rng)]


def _go_silent(rng: Randomness) -> Script:
    """Nobody hears of a step for long. Sometimes the operator looks, pauses, and decides when there may be news."""
    sign = rng.choice((("hang",), ("silence",)))
    moves: Script = [("train", 1, False), sign, ("wait", 400.0), ("reconcile",), ("wait", 61.0)]
    news = rng.choice((("recover trainers",), ("run to the end",)))
    if rng.random() < 0.6:
        return [*moves, ("pause", 0), news, ("wait", rng.choice((11.0, 61.0, 400.0))), *3 * [("resume stale",)], *passes(rng)]
    return [*moves, *passes(rng), *([news, *passes(rng)] if rng.random() < 0.2 else [])]


def _edit(rng: Randomness) -> Script:
    return [
        rng.choice(
            (
                ("budgets", rng.randrange(3), rng.randrange(4), rng.randrange(3), rng.randrange(2, 8)),
                ("divergence", rng.choice(("Rollback", "Rollback", "Pause", "Fail")), rng.randrange(3)),
                ("exhausted", rng.choice(("Pause", "Fail"))),
                ("history", rng.randrange(3)),
                ("avoid", rng.randrange(3)),
                ("ttl", rng.choice((None, 0, 60))),
                ("append stage",),
                ("append stage",),
                ("remove stage",),
                ("spoil stage",),
                ("repair stage",),
                ("lose status",),
            )
        ),
        *passes(rng),
    ]


def _suspend(rng: Randomness) -> Script:
    moves: Script = [("suspend", True), *passes(rng)]
    if rng.random() < 0.7:
        moves += [("settle",), *passes(rng)]
    return moves


def _never_step(rng: Randomness) -> Script:
    """All pods have nodes, and no step is ever reported: a kubelet is stuck, or the processes are."""
    stuck: Script = rng.choice(([("schedule",), ("hold up", _host(rng), "FailedCreatePodSandBox")], [("start",)]))
    return [*stuck, ("reconcile",), ("wait", 3599.0), *passes(rng), ("wait", 2.0), *passes(rng)]


def _autoscale(rng: Randomness) -> Script:
    """The first node comes after hours; the second one in time, or too late."""
    first: Script = [("capacity", 0), ("unschedule",), *passes(rng), ("wait", 4000.0), *passes(rng), ("capacity", 1), ("schedule",)]
    return [*first, *passes(rng), ("wait", rng.choice((30.0, 61.0))), *passes(rng), ("capacity", None), ("schedule",), *passes(rng)]


def _refuse_slice(rng: Randomness) -> Script:
    """The next attempt's slices are refused in part, or not released together."""
    refused = rng.choice((("quota", True), ("quota", True), ("releases", 0), ("releases", 1)))
    moves: Script = [("delete job",), refused, *passes(rng), ("settle",), *passes(rng), ("wait", 11.0), *passes(rng), *passes(rng)]
    moves += rng.choice(
        ([], [("start",), *passes(rng)], [("wait", 61.0), *passes(rng)], [("suspend", True), *passes(rng), ("suspend", False)])
    )
    return [*moves, ("quota", False), ("releases", None), *passes(rng)]


def _take_name(rng: Randomness) -> Script:
    """A foreign Job has the name of the next attempt's, for a while."""
    return [("take name",), *_next_attempt(rng), *passes(rng), ("give names back",), ("wait", 11.0), *passes(rng)]


def _place(rng: Randomness) -> Script:
    """Some pods find no node."""
    moves: Script = [("capacity", rng.choice((0, 1, 1))), ("schedule",), *passes(rng)]
    return [*moves, ("wait", rng.choice((61.0, 901.0))), *passes(rng), ("capacity", None)]


def _hold_up(rng: Randomness) -> Script:
    host, reason = _host(rng), rng.choice(IMAGE)
    first: Script = [] if reason == "SchedulingGated" else [("schedule",)]
    return [*first, ("hold up", host, reason), *passes(rng)]


def _bad_image(rng: Randomness) -> Script:
    return [("image", True), *passes(rng), ("start",), *passes(rng), ("image", False), *passes(rng)]


def _admit(rng: Randomness) -> Script:
    """Late, and after the queue has said why."""
    before: Script = [("explain",), *passes(rng)] if rng.random() < 0.3 else []
    return [*before, ("admit",), *passes(rng)]


def _take_back(rng: Randomness) -> Script:
    """Sometimes the Job is admitted again before anybody has seen that it was evicted."""
    again: Script = [("admit",)] if rng.random() < 0.3 else []
    return [("preempt",), *([] if again else passes(rng)), ("settle",), *again, *passes(rng)]


def _in_and_out(rng: Randomness) -> Script:
    """Admitted and evicted before there is any pod."""
    return [("lag", True), ("admit",), *passes(rng), ("preempt",), *passes(rng), ("lag", False), ("sync jobs",), *passes(rng)]


def _work(rng: Randomness) -> Script:
    """Data sets are encoded, in some steps or at once."""
    moves: Script = [("work", 1), *passes(rng)] if rng.random() < 0.5 else []
    return [*moves, ("work", rng.choice((1, 100))), *passes(rng)]


def _lose_worker(rng: Randomness) -> Script:
    return [("work", 1), *passes(rng), ("fail worker", _host(rng), rng.choice(WORKER_CODES)), *passes(rng)]


def _bad_data(rng: Randomness) -> Script:
    return [
        ("corrupt data",),
        ("work", 1),
        *passes(rng),
        *([("repair data",), ("resume",), *passes(rng)] if rng.random() < 0.5 else []),
    ]


def _rename_fields(rng: Randomness) -> Script:
    moves: Script = [("rename fields",), *passes(rng)]
    if rng.random() < 0.3:
        moves += [("run to the end",), *passes(rng)]
    return [*moves, ("apply again",), *passes(rng)] if rng.random() < 0.7 else moves


def _next_attempt(rng: Randomness) -> Script:
    """The attempt fails for another reason, and the next one begins."""
    failure: Script = [("start",), ("fail", _host(rng), 137, "mute"), ("lose peers", 79), ("sync jobs",), ("reconcile",)]
    return [*failure, ("settle",), ("reconcile",), ("wait", 400.0), ("reconcile",)]


def _lose_data(rng: Randomness) -> Script:
    """Somebody deletes what was prepared: the newest attempt does not find it, and it is prepared again."""
    missed: Script = [("start",), ("train", 1, False), ("sync jobs",), *passes(rng), ("settle",), *passes(rng)]
    return [("lose data",), *_next_attempt(rng), *missed, ("wait", 400.0), *passes(rng), ("admit",), ("work", 100), *passes(rng)]


def _lose_data_repeatedly(rng: Randomness) -> Script:
    """Something deletes it each time, before the newest attempt begins."""
    again: Script = [
        ("lose data",),
        ("admit",),
        ("start",),
        ("train", 1, False),
        ("sync jobs",),
        ("reconcile",),
        ("settle",),
        ("reconcile",),
    ]
    prepared: Script = [("wait", 400.0), ("reconcile",), ("admit",), ("work", 100), ("reconcile",), ("settle",), ("reconcile",)]
    return [("budgets", 1, 3, 1, 5), *2 * [*again, *prepared], *again, *passes(rng)]


def _one(*moves: Move) -> Callable[[Randomness], Script]:
    return lambda rng: [rng.choice(moves), *passes(rng)]


SCRIPTS: dict[str, Callable[[Randomness], Script]] = {
    "pass": lambda rng: [*passes(rng)],
    "advance": _advance,
    "to the end": lambda rng: [("run to the end",), *passes(rng)],
    "break": _break,
    "recover": _recover,
    "lose nodes": _lose_nodes,
    "nodes back": lambda rng: [("recover nodes",), *passes(rng), ("settle",), *passes(rng)],
    "zombies": _one(("train zombies", 5)),
    "go silent": _go_silent,
    "speak": _one(("recover trainers",)),
    "edit": _edit,
    "suspend": _suspend,
    "go on": _one(("suspend", False)),
    "resume": _one(("resume",)),
    "place": _place,
    "autoscale": _autoscale,
    "never step": _never_step,
    "refuse slice": _refuse_slice,
    "take name": _take_name,
    "upgrade API": _one(("upgrade API",)),
    "rename fields": _rename_fields,
    "sidecars": _sidecars,
    "hold up": _hold_up,
    "work": _work,
    "lose worker": _lose_worker,
    "bad data": _bad_data,
    "work mute": lambda rng: [("work mute",), *passes(rng)],
    "hold up worker": lambda rng: [("hold up worker", _host(rng), rng.choice(IMAGE)), *passes(rng)],
    "drop preparations": _one(("delete preparations",), ("repair data",)),
    "bad image": _bad_image,
    "prepare": _prepare,
    "zombie returns": _zombie_returns,
    "avoid": _avoid,
    "lag": _lag,
    "end mute": _end_mute,
    "admit": _admit,
    "take back": _take_back,
    "in and out": _in_and_out,
    "evict": lambda rng: [("evict", _host(rng), rng.choice(DISRUPTED)), *passes(rng), ("settle",), *passes(rng)],
    "reject": lambda rng: [("schedule",), ("reject", _host(rng), rng.choice(("", "", *REJECTED))), *passes(rng)],
    "drain": lambda rng: [("drain", _host(rng)), *passes(rng), ("settle",), *passes(rng), ("uncordon",)],
    "companions": lambda rng: [("delete companion", rng.choice(("lease", "other"))), *passes(rng)],
    "delete": lambda rng: [
        rng.choice((("delete pod", _host(rng)), ("force delete pod", _host(rng)), ("delete job",), ("forget node", _host(rng)))),
        *passes(rng),
    ],
    "hardware": _hardware,
    "reclaim": _reclaim,
    "preempt repeatedly": _preempt_repeatedly,
    "start error": lambda rng: [("schedule",), ("start error", _host(rng)), *passes(rng)],
    "over-use": lambda rng: [("evict by over-use", _host(rng)), ("lose peers", 79), *passes(rng)],
    "memory": lambda rng: [("oom", _host(rng)), *passes(rng)],
    "wait": lambda rng: [("wait", rng.choice(WAITS)), *passes(rng)],
    "jump": lambda rng: [("set clock", rng.choice(JUMPS)), *passes(rng)],
    "slow": _one(
        ("lag", True),
        ("lag", False),
        ("sync jobs",),
        ("terminate deleted",),
        ("remove terminated",),
        ("finish",),
        ("schedule",),
        ("lose peers", 79),
    ),
    "quota": lambda rng: [("quota", True), *passes(rng), *passes(rng), ("quota", False)],
    "upgrade": _upgrade,
    "upgrade suspended": _upgrade_suspended,
    "restore": _restore,
    "lose checkpoint": _lose_checkpoint,
    "lose data": _lose_data,
    "lose data repeatedly": _lose_data_repeatedly,
    "no more": _one(("pause before observing",), ("resume stale",)),
}
