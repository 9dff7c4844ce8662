"""Moves as data: a history is a list of them, so that it can be written down, replayed and shrunk."""

from collections.abc import Callable
from typing import Any

from lwm_operator.api.execution import Execution
from lwm_operator.api.failure_policy import OnDivergence
from lwm_operator.api.names import job_name
from lwm_operator.api.pod_template import Variable
from lwm_operator.api.stage_status import ImageSource, StageState
from lwm_trainer.config import Mesh, Phase, TerminationMessage, slice_name
from simulation.invariants import require
from simulation.simulation import Simulation
from simulation.state import BAD_IMAGE

Move = tuple[Any, ...]
"""The name of a move and its arguments."""

REASONS = {
    64: "BadArguments",
    65: "BadData",
    66: "BadCheckpoint",
    70: "UncaughtException",
    75: "BucketMissing",
    76: "Hang",
    77: "BucketDenied",
    78: "BadConfig",
    80: "Diverged",
    81: "SavedOnRequest",
    82: "GateFailed",
    83: "DeviceFault",
}
MAX_STAGES = 3
GOOD_MESH, BAD_MESH = Mesh(dp=2, fsdp=2, sp=2), Mesh(dp=3)


def fail(simulation: Simulation, index: int, code: int, how: str) -> None:
    """A host fails with a termination message (`message`), with far too long a one (`long`), or with none (`mute`)."""
    gang = simulation.state.newest_gang
    if gang is None or how == "mute" or code > 128:
        simulation.trainers.fail(index, code)
        return
    letters = 4000 if how == "long" else 10
    reason = "Long" + 80 * "x" if how == "long" else REASONS.get(code) or f"ExitCode{code}"
    message = TerminationMessage(code=code, reason=reason, message="w" * letters, step=gang.step)
    simulation.trainers.fail(index, code, termination_message=message)


def edit(simulation: Simulation, **changes: object) -> None:
    """A user sets fields of the spec; nothing is written where they have these values already."""
    spec = simulation.training.spec
    if any(getattr(spec, name) != value for name, value in changes.items()):
        simulation.edit(**changes)


def edit_policy(simulation: Simulation, **changes: object) -> None:
    edit(simulation, failure_policy=simulation.training.spec.failure_policy.model_copy(update=changes))


def edit_budgets(simulation: Simulation, **changes: int) -> None:
    edit_policy(simulation, budgets=simulation.training.spec.failure_policy.budgets.model_copy(update=changes))


class NewerExecution(Execution):
    """The next release of the API."""

    new_setting: int = 7


def upgrade_api(simulation: Simulation) -> None:
    """The operator is upgraded, and its API has a new field with a default: what is decided stays the same."""
    state, spec = simulation.state, simulation.training.spec
    if isinstance(spec.execution, NewerExecution):
        return
    before = simulation.plan()
    state.upgrade(spec.model_copy(update={"execution": NewerExecution(**spec.execution.model_dump())}))
    require(simulation.plan() == before, "a new field with a default changes the plan")
    job = state.newest_job
    is_waiting = job is not None and (job.suspended or any(pod.waiting is not None for pod in state.newest_pods))
    state.coverage["situation NewDefault"] += is_waiting


def apply_changed(simulation: Simulation, interval: int) -> None:
    """The user applies the training with another interval between checkpoints and another variable. A stage that has begun takes both."""
    state, spec = simulation.state, simulation.training.spec
    variable = Variable(name="INTERVAL", value=str(interval))
    checkpoint = spec.checkpoint.model_copy(update={"save_interval_steps": interval})
    edit(simulation, checkpoint=checkpoint, pod_template=spec.pod_template.model_copy(update={"env": (variable,)}))
    is_pinned = any(
        entry.state == StageState.RUNNING and entry.image_source == ImageSource.INSTALLATION and entry.image != state.trainer_image
        for entry in simulation.training.status.stages
    )
    state.coverage["upgrade and another spec while suspended"] += is_pinned and spec.suspend


def rename_fields(simulation: Simulation) -> None:
    """The CRD is upgraded, and fields of the stored training have other names in it."""
    state = simulation.state
    simulation.operator.kill_stale()
    state.rename_fields()
    state.coverage["upgrade that renames fields"] += 1
    state.coverage["upgrade that renames fields of a running attempt"] += any(pod.live for pod in state.newest_pods)


def raise_resume(simulation: Simulation) -> None:
    simulation.edit(resume=simulation.training.spec.resume + 1)


def begun_stages(simulation: Simulation) -> int:
    return simulation.training.status.current_stage or 0


def append_stage(simulation: Simulation) -> None:
    stages = simulation.training.spec.stages
    if len(stages) < MAX_STAGES:
        simulation.edit(stages=(*stages, stages[0].model_copy(update={"name": "abc"[len(stages)], "steps": 10})))


def remove_stage(simulation: Simulation) -> None:
    stages = simulation.training.spec.stages
    if len(stages) > max(1, begun_stages(simulation)):
        simulation.edit(stages=stages[:-1])


def spoil_stage(simulation: Simulation) -> None:
    """The last stage becomes invalid, where it may be edited."""
    stages = simulation.training.spec.stages
    if len(stages) > begun_stages(simulation):
        simulation.edit(stages=(*stages[:-1], stages[-1].model_copy(update={"mesh": BAD_MESH})))


def repair_stages(simulation: Simulation) -> None:
    stages = simulation.training.spec.stages
    if any(stage.mesh == BAD_MESH for stage in stages):
        repaired = tuple(stage.model_copy(update={"mesh": GOOD_MESH}) if stage.mesh == BAD_MESH else stage for stage in stages)
        simulation.edit(stages=repaired)


def lose_status(simulation: Simulation) -> None:
    """Status is lost, unless it alone knew something: of a stage without any Job, or that pods were made from a wrong image."""
    state = simulation.state
    attempts = {(job.stage, job.attempt) for job in state.jobs.values()}
    entries = enumerate(state.training.status.stages, start=1)
    gang = state.newest_gang
    if gang is not None and gang.image == BAD_IMAGE:
        return
    if all((number, entry.attempts) in attempts for number, entry in entries if entry.attempts):
        simulation.operator.kill_stale()
        state.lose_status()


def take_name(simulation: Simulation) -> None:
    """Somebody copies the manifest of a Job: without an owner, with its labels, and with the name of the next attempt's."""
    state = simulation.state
    status = state.training.status
    attempt = job_name(state.training.metadata.name, status.current_stage or 1, (status.attempt or 0) + 1)
    name = slice_name(attempt, state.slices - 1, state.slices)
    if name not in state.jobs:
        state.foreign_jobs.add(name)


def lose_checkpoint(simulation: Simulation) -> None:
    """Somebody deletes the newest checkpoint while no trainer runs."""
    state = simulation.state
    if any(gang.alive for gang in state.gangs):
        return
    if state.bucket.lose_newest(begun_stages(simulation)):
        state.coverage["storage lost the newest checkpoint"] += 1


def restore(simulation: Simulation) -> None:
    """The training comes back in another cluster with its status, and under another uid: from a backup, after a migration."""
    state = simulation.state
    if state.training.status.run_root is not None:
        simulation.operator.kill_stale()
        state.restore()


def run_to_the_end(simulation: Simulation) -> None:
    """The attempt runs until its last step is committed."""
    simulation.start()
    simulation.train(100, commit=True)
    simulation.finish()
    simulation.job_controller.sync()


def settle(simulation: Simulation) -> None:
    """Deleted pods end and are removed, and the Job controller writes it down."""
    simulation.terminate_deleted()
    simulation.environment.remove_terminated()
    simulation.job_controller.sync()


def set_in_state(name: str) -> Callable[[Simulation, object], None]:
    def set_to(simulation: Simulation, value: object) -> None:
        setattr(simulation.state, name, value)

    return set_to


MOVES: dict[str, Callable[..., object]] = {
    # The operator.
    "reconcile": lambda s: s.operator.reconcile(),
    "crash": lambda s, effects: s.operator.crash(effects),
    "time out": lambda s, effects, happened: s.operator.time_out(effects, happened=happened),
    "pause": lambda s, effects: s.operator.pause(effects),
    "skew": set_in_state("trainer_skew"),
    "upgrade": lambda s: s.operator.upgrade(),
    "pause before observing": lambda s: s.operator.pause_before_observing(),
    "resume stale": lambda s: s.operator.resume_stale(),
    # Time, the scheduler and trainers that do well.
    "wait": lambda s, seconds: s.environment.wait(seconds),
    "set clock": lambda s, seconds: s.environment.set_clock(seconds),
    "schedule": lambda s: s.environment.schedule(),
    "start": lambda s: s.environment.start(),
    "enter phase": lambda s, phase: s.trainers.enter_phase(Phase(phase)),
    "train": lambda s, steps, commit: s.trainers.train(steps, commit=commit),
    "train zombies": lambda s, steps: s.trainers.train_zombies(steps),
    "finish": lambda s: s.trainers.finish(),
    "finish mute": lambda s: s.trainers.finish(mute=True),
    "run to the end": run_to_the_end,
    # Failures, deletions and the Job controller.
    "fail": fail,
    "oom": lambda s, index: s.trainers.fail(index, 137, "OOMKilled"),
    "evict by over-use": lambda s, index: s.trainers.fail(index, 137, "EphemeralStorageExceeded"),
    "device fault": lambda s, index: fail(s, index, 83, "message"),
    "reboot": lambda s, index, lost: s.trainers.fail(index, 137 if lost else 255, "ContainerStatusUnknown" if lost else "NodeRebooted"),
    "start error": lambda s, index: s.environment.reject(index, "StartError", exit_code=128),
    "reclaim node": lambda s, index: s.environment.reclaim_node(index),
    "watchdogs": lambda s, behind: s.trainers.fire_watchdogs(behind),
    "reject": lambda s, index, reason: s.environment.reject(index, reason),
    "lose peers": lambda s, code: s.trainers.lose_peers(code),
    "terminate deleted": lambda s: s.environment.terminate_deleted(),
    "remove terminated": lambda s: s.environment.remove_terminated(),
    "sync jobs": lambda s: s.job_controller.sync(),
    "settle": settle,
    "delete pod": lambda s, index: s.environment.delete_pod(index),
    "force delete pod": lambda s, index: s.environment.force_delete_pod(index),
    "evict": lambda s, index, reason: s.environment.evict(index, reason),
    "drain": lambda s, index: s.environment.drain(index),
    "uncordon": lambda s: s.environment.uncordon_all(),
    "unready": lambda s, index, how: s.environment.unready(index, dead=how == "dead", cut=how == "cut"),
    "taint": lambda s: s.environment.taint(),
    "forget node": lambda s, index: s.environment.forget_node(index),
    "recover nodes": lambda s: s.environment.recover_nodes(),
    "take name": take_name,
    "give names back": lambda s: s.state.foreign_jobs.clear(),
    "delete companion": lambda s, which: s.environment.delete_companion(which),
    "delete job": lambda s: s.environment.delete_job(),
    "sidecars": set_in_state("sidecars"),
    "capacity": set_in_state("capacity"),
    "quota": set_in_state("quota_exceeded"),
    "releases": set_in_state("releases_left"),
    "lag": set_in_state("job_controller_lags"),
    "unschedule": lambda s: s.environment.unschedule(),
    "hold up": lambda s, index, reason: s.environment.hold_up(index, reason),
    # The queue.
    "admit": lambda s: s.queue.admit(),
    "preempt": lambda s: s.queue.preempt(),
    "explain": lambda s: s.queue.explain(),
    # Data sets.
    "work": lambda s, shards: s.preparations.work(shards),
    "work mute": lambda s: s.preparations.work(100, mute=True),
    "fail worker": lambda s, index, code: s.preparations.fail_worker(index, code),
    "hold up worker": lambda s, index, reason: s.preparations.hold_up_worker(index, reason),
    "corrupt data": lambda s: s.preparations.corrupt_data(),
    "repair data": lambda s: s.preparations.repair_data(),
    "lose data": lambda s: s.preparations.lose_data(),
    "delete preparations": lambda s: s.preparations.delete_all(),
    # Trainers that hang, or whom nobody hears.
    "hang": lambda s: s.trainers.hang(),
    "silence": lambda s: s.trainers.silence(),
    "recover trainers": lambda s: s.trainers.recover(),
    # Edits of the spec.
    "suspend": lambda s, value: edit(s, suspend=value),
    "resume": raise_resume,
    "budgets": lambda s, app, infra, hangs, disruptions: edit_budgets(s, app=app, infra=infra, hang=hangs, disruption=disruptions),
    "divergence": lambda s, action, most: edit_policy(s, on_divergence=OnDivergence(action=action, max_rollbacks=most)),
    "exhausted": lambda s, action: edit_policy(s, on_exhausted=action),
    "history": lambda s, kept: edit_policy(s, failed_attempts_history_limit=kept),
    "avoid": lambda s, after: edit_policy(s, avoid_nodes_after=after),
    "image": lambda s, bad: edit(s, image=BAD_IMAGE if bad else ""),
    "upgrade API": upgrade_api,
    "rename fields": rename_fields,
    "apply changed": apply_changed,
    "apply again": lambda s: s.state.apply_again(),
    "ttl": lambda s, seconds: edit(s, ttl_seconds_after_finished=seconds),
    "append stage": append_stage,
    "remove stage": remove_stage,
    "spoil stage": spoil_stage,
    "repair stage": repair_stages,
    "lose status": lose_status,
    "lose checkpoint": lose_checkpoint,
    "restore": restore,
}


def make_move(simulation: Simulation, move: Move) -> None:
    MOVES[move[0]](simulation, *move[1:])
    simulation.coverage[f"move {move[0]}"] += 1
