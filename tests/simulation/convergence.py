"""The quiet world and the healed one: when nothing happens any more, nothing is planned; when all is well again, it ends well."""

from datetime import timedelta

from lwm_operator.api.status import Phase
from lwm_operator.plan.actions import Plan
from simulation.moves import edit, make, mend_stage, raise_resume, speak
from simulation.operator_passes import Operators

PASSES = 8
"""With nothing happening in between, so many passes come to rest: one is the rule, more when every answer is already there."""
ROUNDS = 60
LOOK_AGAIN_SECONDS = 10.0
LATER_SECONDS = (11.0, 200.0, 4000.0, 100_000.0)


def look_twice(world: Operators) -> Plan:
    """Raises AssertionError if the operator does not come to rest, or would have something to say before it asks to be woken."""
    for _ in range(PASSES):
        before = world.training.status
        decided = world.once()
        if not decided.actions and not decided.events and decided.status == before:
            break
    if not world.quota:  # what is refused is tried again and again
        assert decided.actions == (), f"the plan of a quiet world has actions: {decided.actions}"
        assert decided.status == before, "the plan of a quiet world changes status"
        assert not decided.events, f"the plan of a quiet world has Events: {decided.events}"
        wakes_up(world, decided)
    world.promises.nobody_waits(world)
    return decided


def wakes_up(world: Operators, decided: Plan) -> None:
    """Before `requeue_after` is over (ever, when it is None) the plan says nothing else; where it looks every few seconds, it may."""
    until = decided.requeue_after
    if until is None:
        world.reached[f"for ever {decided.status.phase}/{decided.status.reason}"] += 1
    else:
        assert until > 0, "the operator wants to be woken at once, for ever"
    for seconds in LATER_SECONDS if until is None else (until * 0.9,) if until > LOOK_AGAIN_SECONDS else ():
        then = world.planner(world.training, world.observed(), world.now + timedelta(seconds=seconds))
        assert then.actions == (), f"in {seconds} s there are actions, and the operator asked for {until}: {then.actions}"
        assert then.status == decided.status, f"in {seconds} s the status is another, and the operator asked for {until}: {then.decision}"


def heal(world: Operators) -> None:
    """All nodes are back, pods run well, somebody says resume: raises AssertionError if the training does not complete."""
    while world.stale:
        world.resume()
    world.room, world.quota, world.lag = None, False, False
    world.cordoned.clear()
    world.node_back()
    mend_stage(world)
    world.mend_data()
    world.release_workers()
    edit(world, suspend=False, image="trainer:good")
    resumed = False
    for _ in range(ROUNDS):
        decided = world.once()
        if decided.status.phase == Phase.COMPLETE:
            return
        if decided.status.phase in (Phase.PAUSED, Phase.FAILED):
            assert not resumed, f"the world is well, and after resume: {decided.decision}"
            resumed = True
            raise_resume(world)
        world.admit()
        world.work(100)
        make(world, ("settle",))
        world.notice(79)
        for pod in [pod for pod in world.pods.values() if pod.waiting is not None and pod.waiting.reason == "SchedulingGated"]:
            world.ungate(pod)
        speak(world)
        make(world, ("through",))
        world.wait(min(max(decided.requeue_after or 5.0, 0.01), 400.0))
    raise AssertionError(f"the world is well, and after {ROUNDS} rounds: {world.plan().decision}")
