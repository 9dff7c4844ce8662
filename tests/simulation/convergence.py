"""The quiet cluster, in which nothing is planned any more, and the healed one, in which the training completes."""

from datetime import timedelta

from lwm_operator.api.status import Phase
from lwm_operator.plan.actions import Plan
from lwm_operator.plan.plan import plan
from simulation.moves import edit, make_move, raise_resume, repair_stages
from simulation.simulation import Simulation

PASSES = 8
"""Passes after which the operator rests. One is the rule, but more are needed when their outcomes are there at once."""
ROUNDS = 60
LOOK_AGAIN_SECONDS = 10.0
LATER_SECONDS = (11.0, 200.0, 4000.0, 100_000.0)


def check_rest(simulation: Simulation) -> Plan:
    """Reconcile until nothing changes. Raise AssertionError if that never comes, or if the plan changes before the time of its requeue."""
    for _ in range(PASSES):
        before = simulation.training.status
        decided = simulation.reconcile()
        if not decided.actions and not decided.events and decided.status == before:
            break
    state = simulation.state
    if not (state.quota_exceeded or state.foreign_jobs) and state.releases_left is None:  # what is refused is tried again and again
        assert decided.actions == (), f"the plan of a quiet cluster has actions: {decided.actions}"
        assert decided.status == before, "the plan of a quiet cluster changes status"
        assert not decided.events, f"the plan of a quiet cluster has Events: {decided.events}"
        check_requeue(simulation, decided)
    simulation.state.invariants.no_job_left_to_the_queue(simulation.state)
    simulation.state.invariants.no_sidecar_left_running(simulation.state)
    return decided


def check_requeue(simulation: Simulation, decided: Plan) -> None:
    """Check that the plan stays the same until `requeue_after` is over (for ever when it is None), unless that is only a few seconds."""
    until = decided.requeue_after
    if until is None:
        simulation.coverage[f"for ever {decided.status.phase}/{decided.status.reason}"] += 1
    else:
        assert until > 0, "the operator wants to be woken at once, for ever"
    for seconds in LATER_SECONDS if until is None else (until * 0.9,) if until > LOOK_AGAIN_SECONDS else ():
        then = plan(simulation.training, simulation.observed(), simulation.now + timedelta(seconds=seconds))
        assert then.actions == (), f"in {seconds} s there are actions, and the operator asked for {until}: {then.actions}"
        assert then.status == decided.status, f"in {seconds} s the status is another, and the operator asked for {until}: {then.decision}"


def heal(simulation: Simulation) -> None:
    """Bring all nodes back, let all pods run and resume. Raise AssertionError if the training does not complete."""
    while simulation.operator.stale:
        simulation.operator.resume_stale()
    state = simulation.state
    state.foreign_jobs.clear()
    state.capacity, state.quota_exceeded, state.releases_left, state.job_controller_lags = None, False, None, False
    simulation.environment.uncordon_all()
    simulation.environment.recover_nodes()
    repair_stages(simulation)
    state.apply_again()
    simulation.preparations.repair_data()
    simulation.preparations.release_workers()
    edit(simulation, suspend=False, image="")
    resumes = 1 + len(state.lost_datasets)  # each is found gone by an attempt, which fails: without a budget for that, it pauses
    for _ in range(ROUNDS):
        decided = simulation.reconcile()
        if decided.status.phase == Phase.COMPLETE:
            return
        if decided.status.phase in (Phase.PAUSED, Phase.FAILED):
            assert resumes, f"the cluster is well, and after resume: {decided.decision}"
            resumes -= 1
            raise_resume(simulation)
        simulation.queue.admit()
        simulation.preparations.work(100)
        make_move(simulation, ("settle",))
        simulation.trainers.lose_peers(79)
        simulation.environment.ungate_all()
        simulation.trainers.recover()
        make_move(simulation, ("run to the end",))
        simulation.wait(min(max(decided.requeue_after or 5.0, 0.01), 400.0))
    raise AssertionError(f"the cluster is well, and after {ROUNDS} rounds: {simulation.plan().decision}")
