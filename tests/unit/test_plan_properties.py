"""1,000 random histories: the plan is total and idempotent, and what must always hold holds."""

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm_operator.api.status import StageState
from lwm_operator.api.training import Training
from lwm_operator.plan.plan import plan
from lwm_operator.plan.result import Plan
from world.builders import stage, training
from world.simulation import World

SPECS = [training(stages=[stage("a", steps=20)]), training(stages=[stage("a", steps=20), stage("b", steps=10)])]

CODES = (1, 64, 65, 66, 70, 75, 76, 77, 78, 79, 80, 81, 82, 134, 137, 139, 143)


def go_well(world: World) -> None:
    """To the end of the attempt without trouble, with the operator away meanwhile."""
    world.start()
    world.train(100, commit=True)
    world.finish()


def come_back(world: World) -> None:
    """All that holds the next attempt up goes by."""
    for _ in range(3):
        world.reconcile()
        world.leave()
        world.wait(400)


def break_after_commit(world: World) -> None:
    world.start()
    world.train(1, commit=True)
    world.fail(0, 70)
    come_back(world)


MOVES: dict[str, Callable[[World], None]] = {
    "go well": go_well,
    "come back": come_back,
    "break after commit": break_after_commit,
    "start": World.start,
    "train": lambda world: world.train(5, commit=True),
    "train without commit": lambda world: world.train(5, commit=False),
    "train to the end": lambda world: world.train(100, commit=True),
    "finish": World.finish,
    "leave": World.leave,
    "wait a little": lambda world: world.wait(11),
    "wait long": lambda world: world.wait(400),
    "delete pod 0": lambda world: world.delete_pod(0),
    "delete pod 1": lambda world: world.delete_pod(1),
    "delete job": World.delete_job,
    "lose node 1": lambda world: world.lose_node(1),
    "node back": World.node_back,
    "forget status": World.forget_status,
    "edit": World.edit,
    "out of memory": lambda world: world.fail(1, 137, "OOMKilled"),
    "crash": lambda world: world.write(world.plan().status),
    **{f"host 0 leaves with {code}": lambda world, code=code: world.fail(0, code) for code in CODES},  # type: ignore[misc]
    "host 1 leaves with 79": lambda world: world.fail(1, 79),
}
GOOD = ["start", "train", "train to the end", "finish", "come back", "go well", "break after commit", "break after commit"]

HISTORIES = st.lists(st.one_of(st.sampled_from(GOOD), st.sampled_from(sorted(MOVES))), min_size=6, max_size=20)

REACHED: Counter[str] = Counter()


@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(chosen=st.sampled_from(SPECS), history=HISTORIES)
def test_any_history_keeps_the_promises(chosen: Training, history: list[str]) -> None:
    world = World(training=chosen, reached=REACHED)
    for move in history:
        MOVES[move](world)
        before = world.training.status
        decided = world.reconcile()
        assert world.plan().actions == (), f"after {move}: the plan of the world in which the plan was carried out has actions"
        again = settled(world)
        assert again.actions == ()
        assert not again.events
        for old, new in zip(before.stages, decided.status.stages, strict=False):
            assert new.attempts >= old.attempts
            assert old.state != StageState.COMPLETE or new == old or move == "forget status"
        for entry in decided.status.stages:
            assert (entry.state == StageState.COMPLETE) == (entry.final_checkpoint is not None)


def settled(world: World) -> Plan:
    """The plan when nothing more happens: looking twice changes nothing."""
    for _ in range(2):
        world.reconcile()
    decided = world.plan()
    assert decided.status == world.training.status
    return decided


def test_the_histories_reached_everything() -> None:
    """Runs after the property above, in the same process: a generator of happy histories would prove nothing."""
    wanted = [f"phase {phase}" for phase in ("Starting", "Running", "Recovering", "Complete", "Failed")]
    wanted += [f"event {name}" for name in ("StageStarted", "AttemptStarted", "AttemptFailed", "CheckpointCommitted", "StageComplete")]
    wanted += ["event TrainingComplete", "event TrainingFailed", "action CreateAttempt", "action DeletePod", "action DeleteAttempt"]
    assert {name: REACHED[name] for name in wanted if REACHED[name] < 100} == {}


def test_nothing_in_a_plan_is_left_to_chance() -> None:
    world = World(training=SPECS[0])
    assert len({repr(plan(world.training, world.observed(), world.now)) for _ in range(5)}) == 1
