"""Moves as data: a history is a list of them, so that it can be written down, replayed and shrunk."""

from collections.abc import Callable
from typing import Any

from lwm_operator.api.failure_policy import Budgets, OnDivergence
from lwm_trainer.config import Mesh, Phase, TerminationMessage
from simulation.operator_passes import Operators
from simulation.state import BAD_IMAGE

Move = tuple[Any, ...]
"""The name of a move and its arguments."""

WORDS = {
    64: "BadArguments",
    65: "BadData",
    66: "BadCheckpoint",
    70: "Uncaught",
    75: "BucketMissing",
    76: "Hang",
    77: "BucketDenied",
    78: "BadConfig",
    80: "Diverged",
    81: "SavedOnRequest",
    82: "GateFailed",
}
MAX_STAGES = 3
GOOD, SPOILED = Mesh(dp=2, fsdp=2, sp=2), Mesh(dp=3)


def fail(world: Operators, index: int, code: int, how: str) -> None:
    """`how`: with last words, with far too long ones, or with none."""
    gang = world.crew()
    if gang is None or how == "mute" or code > 128:
        world.fail(index, code)
        return
    more = 4000 if how == "long" else 10
    reason = "Long" + 80 * "x" if how == "long" else WORDS.get(code) or f"ExitCode{code}"
    said = TerminationMessage(code=code, reason=reason, message="w" * more, step=gang.step)
    world.fail(index, code, words=said)


def hang(world: Operators) -> None:
    if (gang := world.crew()) is not None and gang.whole:
        gang.hung = True


def silence(world: Operators) -> None:
    if (gang := world.crew()) is not None and 0 in gang.alive:
        gang.silent = True


def speak(world: Operators) -> None:
    if (gang := world.crew()) is not None:
        gang.silent = gang.hung = False
        gang.idle = 0
        if gang.begun:
            world.report(gang)


def edit(world: Operators, **changes: object) -> None:
    spec = world.training.spec
    if any(getattr(spec, name) != value for name, value in changes.items()):
        world.edit(**changes)


def policy(world: Operators, **changes: object) -> None:
    edit(world, failure_policy=world.training.spec.failure_policy.model_copy(update=changes))


def raise_resume(world: Operators) -> None:
    world.edit(resume=world.training.spec.resume + 1)


def begun(world: Operators) -> int:
    return world.training.status.current_stage or 0


def append_stage(world: Operators) -> None:
    stages = world.training.spec.stages
    if len(stages) < MAX_STAGES:
        world.edit(stages=(*stages, stages[0].model_copy(update={"name": "abc"[len(stages)], "steps": 10})))


def remove_stage(world: Operators) -> None:
    stages = world.training.spec.stages
    if len(stages) > max(1, begun(world)):
        world.edit(stages=stages[:-1])


def spoil_stage(world: Operators) -> None:
    """The last stage makes no sense any more, where it may be edited."""
    stages = world.training.spec.stages
    if len(stages) > begun(world):
        world.edit(stages=(*stages[:-1], stages[-1].model_copy(update={"mesh": SPOILED})))


def mend_stage(world: Operators) -> None:
    stages = world.training.spec.stages
    if any(stage.mesh == SPOILED for stage in stages):
        world.edit(stages=tuple(stage.model_copy(update={"mesh": GOOD}) if stage.mesh == SPOILED else stage for stage in stages))


def forget(world: Operators) -> None:
    """Status is lost. Not asked for is what only status knew: of a stage without any Job, or that pods were made from a wrong image."""
    there = {(job.stage, job.attempt) for job in world.jobs.values()}
    entries = enumerate(world.training.status.stages, start=1)
    gang = world.crew()
    if gang is not None and gang.image == BAD_IMAGE:
        return
    if all((number, entry.attempts) in there for number, entry in entries if entry.attempts):
        world.stale.clear()
        world.forget_status()


def through(world: Operators) -> None:
    """The attempt runs to its end."""
    world.start()
    world.train(100, commit=True)
    world.finish()
    world.count()


def settle(world: Operators) -> None:
    """Deleted pods end and go, the Job controller writes it down."""
    world.leave()
    world.clear()
    world.count()


def flag(name: str) -> Callable[..., None]:
    def set_to(world: Operators, value: object) -> None:
        setattr(world, name, value)

    return set_to


MOVES: dict[str, Callable[..., object]] = {
    "pass": Operators.once,
    "crash": Operators.crash,
    "lost write": lambda world, effects, happened: world.lose(effects, happened=happened),
    "pause": Operators.pause,
    "read only": Operators.read_only,
    "stale": Operators.resume,
    "wait": Operators.wait,
    "jump": Operators.jump,
    "schedule": Operators.schedule,
    "start": Operators.start,
    "prepare": lambda world, phase: world.prepare(Phase(phase)),
    "train": lambda world, steps, commit: world.train(steps, commit=commit),
    "zombies": Operators.train_zombies,
    "finish": Operators.finish,
    "finish mute": lambda world: world.finish(mute=True),
    "through": through,
    "fail": fail,
    "oom": lambda world, index: world.fail(index, 137, "OOMKilled"),
    "reject": Operators.reject,
    "notice": Operators.notice,
    "leave": Operators.leave,
    "clear": Operators.clear,
    "count": Operators.count,
    "settle": settle,
    "delete pod": Operators.delete_pod,
    "force": lambda world, index: world.delete_pod(index, force=True),
    "evict": Operators.evict,
    "drain": Operators.drain,
    "uncordon": lambda world: world.cordoned.clear(),
    "unready": lambda world, index, how: world.unready(index, dead=how == "dead", cut=how == "cut"),
    "taint": Operators.taint,
    "forget node": Operators.forget_node,
    "node back": Operators.node_back,
    "delete job": Operators.delete_job,
    "room": flag("room"),
    "quota": flag("quota"),
    "lag": flag("lag"),
    "unschedulable": Operators.unschedulable,
    "hold up": Operators.hold_up,
    "admit": Operators.admit,
    "take back": Operators.take_back,
    "explain": Operators.explain,
    "work": Operators.work,
    "work mute": lambda world: world.work(100, mute=True),
    "worker fails": Operators.worker_fails,
    "hold up worker": Operators.hold_up_worker,
    "spoil data": Operators.spoil_data,
    "mend data": Operators.mend_data,
    "drop preparations": Operators.drop_preparations,
    "hang": hang,
    "silence": silence,
    "speak": speak,
    "suspend": lambda world, value: edit(world, suspend=value),
    "resume": raise_resume,
    "budgets": lambda world, app, infra, hangs: policy(world, budgets=Budgets(app=app, infra=infra, hang=hangs)),
    "divergence": lambda world, action, most: policy(world, on_divergence=OnDivergence(action=action, max_rollbacks=most)),
    "exhausted": lambda world, action: policy(world, on_exhausted=action),
    "history": lambda world, kept: policy(world, failed_attempts_history_limit=kept),
    "avoid": lambda world, after: policy(world, avoid_nodes_after=after),
    "image": lambda world, bad: edit(world, image=BAD_IMAGE if bad else "trainer:good"),
    "ttl": lambda world, seconds: edit(world, ttl_seconds_after_finished=seconds),
    "append": append_stage,
    "remove": remove_stage,
    "spoil": spoil_stage,
    "mend": mend_stage,
    "forget": forget,
}


def make(world: Operators, move: Move) -> None:
    MOVES[move[0]](world, *move[1:])
