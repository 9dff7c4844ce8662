"""Short scripts of moves: what tends to happen together, with passes of the operator in between."""

import random
from collections.abc import Callable

from simulation.moves import Move

Script = list[Move]

CODES = [
    int(code)
    for code in "1 1 64 65 66 66 70 70 70 75 75 75 76 76 77 77 77 78 79 80 80 80 80 81 82 82 82 134 137 137 139 139 139 139 143".split()
]
IMAGE = ("ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError", "SchedulingGated", "Odd")
WORKER_CODES = (137, 137, 75, 75, 70, 77, 64, 78)
DISRUPTED = ("Evicted", "Preempted", "Preempted", "TaintedNode", "TaintedNode", "NodeGone", "NodeGone")
REJECTED = (
    "NodeAffinity NodeLost NodeShutdown OutOfcpu OutOfmemory OutOfpods Preempting Shutdown Terminated UnexpectedAdmissionError".split()
)
WAITS = (2.0, 11.0, 11.0, 61.0, 130.0, 400.0, 4000.0)
JUMPS = (-7200.0, -600.0, -60.0, 60.0, 600.0, 7200.0)
PASSES = ("reconcile", "crash", "time out", "pause", "pause before observing", "resume stale", "look twice")
PREPARING = ("Rendezvous", "LoadingData", "Restoring", "Compiling", "Saving")


class Chance(random.Random):
    """With a temper of its own for each history: how often the operator does its work in peace, and how often it is away."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.steady = self.uniform(0.6, 0.95)
        self.away = self.choice((0.0, 0.05, 0.2))


def passes(chance: Chance) -> Script:
    """An operator that does its work, mostly."""
    if chance.random() < chance.steady:
        return [("reconcile",)]
    return [
        chance.choice(
            (
                ("crash", chance.choice((0, 1, 1, 2))),
                ("time out", chance.choice((0, 1)), chance.random() < 0.5),
                ("pause", chance.choice((0, 1, 1))),
                ("pause before observing",),
                ("resume stale",),
                ("look twice",),
            )
        )
    ]


def _host(chance: Chance) -> int:
    return chance.randrange(2)


def _advance(chance: Chance) -> Script:
    """To the next commit."""
    return [("start",), *passes(chance), ("train", 5, True), *passes(chance)]


def _break(chance: Chance) -> Script:
    """A host fails, its peer notices or not."""
    found: Script = [("fail", _host(chance), chance.choice(CODES), chance.choice(("words", "words", "long", "mute", "mute")))]
    if chance.random() < 0.3:
        found += passes(chance)
    if chance.random() < 0.6:
        found += [("lose peers", chance.choice((79, 79, 134)))]
    return [*found, ("sync jobs",), *passes(chance)]


def _recover(chance: Chance) -> Script:
    """What holds the next attempt up goes by."""
    return [("settle",), *passes(chance), ("wait", chance.choice((11.0, 61.0, 400.0))), *passes(chance)]


def _lose_nodes(chance: Chance) -> Script:
    how = chance.choice(("dead", "cut", "alive", "alive"))
    found: Script = [("unready", _host(chance), how)]
    if chance.random() < 0.5:
        found += [("unready", 0, how), ("unready", 1, how)]
    if chance.random() < 0.5:
        found += [("wait", 31.0), *passes(chance)]
    return [*found, ("taint",), *passes(chance)]


def _zombie_returns(chance: Chance) -> Script:
    """Its node comes back just when the next attempt has been decided upon."""
    lost: Script = [("unready", 1, "alive"), ("taint",), ("reconcile",), ("settle",), ("wait", 11.0), ("reconcile",), ("settle",)]
    return [*lost, ("crash", 1), ("wait", 11.0), ("crash", 1), ("recover nodes",), ("reconcile",), ("settle",), *passes(chance)]


def _avoid(chance: Chance) -> Script:
    """A node is avoided, and without it there is no room."""
    broken: Script = [("avoid", 1), ("fail", 1, 137, "mute"), ("lose peers", 79), ("sync jobs",), ("reconcile",), ("settle",)]
    return [
        *broken,
        ("wait", 400.0),
        ("reconcile",),
        ("capacity", 1),
        ("schedule",),
        ("reconcile",),
        ("wait", 61.0),
        *passes(chance),
        ("capacity", None),
    ]


def _prepare(chance: Chance) -> Script:
    phase = chance.choice(PREPARING)
    return [("start",), *([("train", 1, False)] if phase == "Saving" else []), ("enter phase", phase), *passes(chance)]


def _lag(chance: Chance) -> Script:
    """The Job controller sleeps."""
    happens = chance.choice((("force delete pod", _host(chance)), ("delete pod", _host(chance)), ("reconcile",)))
    return [("lag", True), happens, ("settle",), *passes(chance), ("wait", 11.0), *passes(chance), ("lag", False), ("sync jobs",)]


def _end_mute(chance: Chance) -> Script:
    """All leave with 0, and nobody hears which checkpoint is the last one."""
    return [("start",), ("train", 5, True), ("silence",), ("train", 100, True), ("finish mute",), ("sync jobs",), *passes(chance)]


def _go_silent(chance: Chance) -> Script:
    sign = chance.choice((("hang",), ("silence",)))
    return [("train", 1, False), sign, ("wait", 400.0), ("reconcile",), ("wait", 61.0), *passes(chance)]


def _edit(chance: Chance) -> Script:
    return [
        chance.choice(
            (
                ("budgets", chance.randrange(3), chance.randrange(4), chance.randrange(3)),
                ("divergence", chance.choice(("Rollback", "Rollback", "Pause", "Fail")), chance.randrange(3)),
                ("exhausted", chance.choice(("Pause", "Fail"))),
                ("history", chance.randrange(3)),
                ("avoid", chance.randrange(3)),
                ("ttl", chance.choice((None, 0, 60))),
                ("append stage",),
                ("append stage",),
                ("remove stage",),
                ("spoil stage",),
                ("repair stage",),
                ("lose status",),
            )
        ),
        *passes(chance),
    ]


def _suspend(chance: Chance) -> Script:
    found: Script = [("suspend", True), *passes(chance)]
    if chance.random() < 0.7:
        found += [("settle",), *passes(chance)]
    return found


def _place(chance: Chance) -> Script:
    """Some pods find no node."""
    found: Script = [("capacity", chance.choice((0, 1, 1))), ("schedule",), *passes(chance)]
    return [*found, ("wait", chance.choice((61.0, 901.0))), *passes(chance), ("capacity", None)]


def _hold_up(chance: Chance) -> Script:
    host, reason = _host(chance), chance.choice(IMAGE)
    first: Script = [] if reason == "SchedulingGated" else [("schedule",)]
    return [*first, ("hold up", host, reason), *passes(chance)]


def _bad_image(chance: Chance) -> Script:
    return [("image", True), *passes(chance), ("start",), *passes(chance), ("image", False), *passes(chance)]


def _admit(chance: Chance) -> Script:
    """Late, and after the queue has said why."""
    before: Script = [("explain",), *passes(chance)] if chance.random() < 0.3 else []
    return [*before, ("admit",), *passes(chance)]


def _take_back(chance: Chance) -> Script:
    """Sometimes the Job is admitted again before anybody has seen that it was evicted."""
    again: Script = [("admit",)] if chance.random() < 0.3 else []
    return [("preempt",), *([] if again else passes(chance)), ("settle",), *again, *passes(chance)]


def _in_and_out(chance: Chance) -> Script:
    """Admitted and evicted before there is any pod."""
    return [("lag", True), ("admit",), *passes(chance), ("preempt",), *passes(chance), ("lag", False), ("sync jobs",), *passes(chance)]


def _work(chance: Chance) -> Script:
    """Data sets are encoded, in some steps or at once."""
    found: Script = [("work", 1), *passes(chance)] if chance.random() < 0.5 else []
    return [*found, ("work", chance.choice((1, 100))), *passes(chance)]


def _lose_worker(chance: Chance) -> Script:
    return [("work", 1), *passes(chance), ("fail worker", _host(chance), chance.choice(WORKER_CODES)), *passes(chance)]


def _bad_data(chance: Chance) -> Script:
    return [
        ("corrupt data",),
        ("work", 1),
        *passes(chance),
        *([("repair data",), ("resume",), *passes(chance)] if chance.random() < 0.5 else []),
    ]


def _one(*moves: Move) -> Callable[[Chance], Script]:
    return lambda chance: [chance.choice(moves), *passes(chance)]


SCRIPTS: dict[str, Callable[[Chance], Script]] = {
    "pass": lambda chance: [*passes(chance)],
    "advance": _advance,
    "to the end": lambda chance: [("run to the end",), *passes(chance)],
    "break": _break,
    "recover": _recover,
    "lose nodes": _lose_nodes,
    "nodes back": lambda chance: [("recover nodes",), *passes(chance), ("settle",), *passes(chance)],
    "zombies": _one(("train zombies", 5)),
    "go silent": _go_silent,
    "speak": _one(("recover trainers",)),
    "edit": _edit,
    "suspend": _suspend,
    "go on": _one(("suspend", False)),
    "resume": _one(("resume",)),
    "place": _place,
    "hold up": _hold_up,
    "work": _work,
    "lose worker": _lose_worker,
    "bad data": _bad_data,
    "work mute": lambda chance: [("work mute",), *passes(chance)],
    "hold up worker": lambda chance: [("hold up worker", _host(chance), chance.choice(IMAGE)), *passes(chance)],
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
    "evict": lambda chance: [("evict", _host(chance), chance.choice(DISRUPTED)), *passes(chance), ("settle",), *passes(chance)],
    "reject": lambda chance: [("schedule",), ("reject", _host(chance), chance.choice(("", "", *REJECTED))), *passes(chance)],
    "drain": lambda chance: [("drain", _host(chance)), *passes(chance), ("settle",), *passes(chance), ("uncordon",)],
    "delete": lambda chance: [
        chance.choice(
            (("delete pod", _host(chance)), ("force delete pod", _host(chance)), ("delete job",), ("forget node", _host(chance)))
        ),
        *passes(chance),
    ],
    "memory": lambda chance: [("oom", _host(chance)), *passes(chance)],
    "wait": lambda chance: [("wait", chance.choice(WAITS)), *passes(chance)],
    "jump": lambda chance: [("set clock", chance.choice(JUMPS)), *passes(chance)],
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
    "quota": lambda chance: [("quota", True), *passes(chance), *passes(chance), ("quota", False)],
    "no more": _one(("pause before observing",), ("resume stale",)),
}
