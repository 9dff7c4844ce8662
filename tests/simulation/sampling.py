"""Sample the next script by weights that depend on the state, so that histories go deep."""

from lwm_operator.api.status import Phase
from lwm_operator.plan.observed import PodState
from simulation.scenarios import PASSES, SCRIPTS, Randomness, Script, passes
from simulation.simulation import Simulation

NAMES = list(SCRIPTS)

USUAL = {
    "pass": 2.0,
    "edit": 2.0,
    "suspend": 0.8,
    "wait": 1.0,
    "jump": 0.4,
    "slow": 1.5,
    "delete": 1.0,
    "companions": 0.6,
    "quota": 0.4,
    "no more": 0.6,
    "zombies": 0.6,
    "recover": 1.0,
    "lag": 0.5,
    "upgrade": 0.6,
    "restore": 0.3,
    "rename fields": 0.3,
    "sidecars": 0.4,
}
PENDING = {
    "advance": 6.0,
    "to the end": 1.0,
    "place": 1.5,
    "autoscale": 0.8,
    "never step": 0.7,
    "upgrade API": 0.6,
    "jump": 1.2,
    "hold up": 2.0,
    "bad image": 1.0,
    "reject": 2.0,
    "start error": 0.8,
    "preempt repeatedly": 0.9,
    "prepare": 1.5,
    "lose nodes": 0.5,
}
RUNNING = {
    "advance": 6.0,
    "break": 14.0,
    "to the end": 1.5,
    "lose nodes": 1.5,
    "go silent": 4.5,
    "evict": 3.0,
    "drain": 0.7,
    "take name": 1.0,
    "memory": 1.0,
    "over-use": 1.4,
    "hardware": 6.0,
    "reclaim": 2.2,
    "reject": 0.5,
    "speak": 0.3,
    "prepare": 0.7,
    "zombie returns": 1.5,
    "avoid": 1.4,
    "end mute": 1.8,
    "lose checkpoint": 5.4,
    "upgrade suspended": 1.2,
}
ENCODING = {"work": 6.0, "lose worker": 2.0, "bad data": 2.0, "work mute": 0.7, "hold up worker": 1.0, "drop preparations": 0.7}
ENDED = {"recover": 8.0, "resume": 0.3, "bad image": 0.5}
QUEUED = {"upgrade API": 0.5, "admit": 8.0, "in and out": 2.0, "suspend": 0.5, "bad image": 0.5}
QUEUED_RUNNING = {"take back": 12.0}
BY_PHASE = {
    Phase.PAUSED: {"resume": 10.0, "append": 1.0},
    Phase.FAILED: {"resume": 10.0},
    Phase.SUSPENDED: {"go on": 10.0, "recover": 4.0},
    Phase.COMPLETE: {"edit": 12.0, "wait": 4.0},
}


def _weights(simulation: Simulation) -> list[float]:
    """Return the weight of each script, by what the newest pods do and by the phase in the status."""
    pods = simulation.state.newest_pods
    more = ENDED
    if any(pod.state == PodState.RUNNING and not pod.deleting for pod in pods):
        more = RUNNING
    elif any(pod.live for pod in pods):
        more = PENDING
    weights = dict(USUAL)
    parts = [more, BY_PHASE.get(simulation.training.status.phase, {})]
    job = simulation.state.newest_job
    if job is not None and job.queue:
        parts.append(QUEUED if job.suspended else QUEUED_RUNNING)
    if any(not (view.complete or view.job.failed) for view in simulation.state.preparations.values()):
        parts.append(ENCODING)
        if any(view.job.suspended for view in simulation.state.preparations.values()):
            parts.append({"admit": 4.0})
    gang = simulation.state.newest_gang
    if gang is not None and gang.prepared:
        parts.append({"lose data": 4.0} if gang.begun else {"lose data repeatedly": 9.0})
    if simulation.state.slices > 1:
        parts.append({"refuse slice": 3.0})
    if simulation.state.lost_nodes:
        parts.append({"nodes back": 4.0, "recover": 2.0, "zombies": 3.0})
    for part in parts:
        for name, weight in part.items():
            weights[name] = weights.get(name, 0.0) + weight
    return [weights.get(name, 0.0) for name in NAMES]


def script(rng: Randomness, simulation: Simulation) -> Script:
    """Return the next moves. Most are followed by a pass, because Kubernetes notifies the operator of every change."""
    weights = _weights(simulation)
    moves = SCRIPTS[rng.choices(NAMES, weights)[0]](rng)
    if rng.random() < rng.absence:
        moves += SCRIPTS[rng.choices(NAMES, weights)[0]](rng)
        return [move for move in moves if move[0] not in PASSES] + passes(rng)
    return moves
