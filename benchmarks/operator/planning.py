"""Time that `plan` takes for one decision."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.operator.measurements import OperatorMeasurement
from devcluster.run import say
from devcluster.trainings import manifest, stage_manifest
from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.api.stage_status import FinalCheckpoint, StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training, parse_training
from lwm_operator.plan.actions import Plan
from lwm_operator.plan.observed import JobView, Observed, PodState, PodView
from lwm_operator.plan.plan import plan
from lwm_trainer.config import Phase as TrainerPhase
from lwm_trainer.config import Progress

HOSTS = 16
RESTARTS = 2
STEPS = 60
EVERY = 10
ROUNDS = 2_000
AIM_MICROSECONDS = 200.0
NOW = datetime(2026, 1, 1, 12, 1, 0, tzinfo=UTC)
MOMENT = "2026-01-01T12:00:50Z"


@dataclass(frozen=True)
class Snapshot:
    """A training and its children at one moment."""

    training: Training
    observed: Observed

    def plan(self) -> Plan:
        return plan(self.training, self.observed, NOW)


def planning() -> list[OperatorMeasurement]:
    """`plan` over a snapshot in which nothing is left to do, beside one dump of the status that it returns."""
    snapshot = third_attempt_of_the_second_stage()
    status = snapshot.plan().status
    ours = microseconds(snapshot.plan)
    peer = microseconds(lambda: status.model_dump(mode="json", by_alias=True, exclude_none=True))
    say(f"  plan: {ours:.0f} us, dump of the status {peer:.0f} us")
    note = f"median of {ROUNDS}, {HOSTS} hosts, third attempt of the second stage, the pods of two failed ones beside it; peer: model_dump"
    return [OperatorMeasurement(name="plan", value=ours, unit="us", peer=peer, aim=AIM_MICROSECONDS, note=note)]


def microseconds(call: Callable[[], object]) -> float:
    """Median of ROUNDS calls."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1000


def third_attempt_of_the_second_stage() -> Snapshot:
    """The second of three stages trains in its third attempt, beside all that is left of the attempts before: what most calls see.

    Raises ValueError where `plan` does not see it so, or has something to do."""
    attempts = range(1, RESTARTS + 2)
    newest = attempts[-1]
    jobs = (job(1, 1), *(job(2, number) for number in attempts))
    pods = [pod(1, 1, host, PodState.SUCCEEDED, exit_code=0) for host in range(HOSTS)]
    pods += [pod(2, number, host, PodState.FAILED, exit_code=137) for number in attempts[:-1] for host in range(HOSTS)]
    pods += [pod(2, newest, host, PodState.RUNNING) for host in range(HOSTS)]
    reports = {(1, 1): report(1, STEPS, TrainerPhase.COMPLETE)} | {(2, number): report(number, number * EVERY) for number in attempts}
    observed = Observed(jobs=jobs, pods=tuple(pods), reports=reports, renewed=dict.fromkeys(reports, MOMENT))

    stages = [stage_manifest(name, 512, 10000.0, {"fsdp": 4, "sp": 4}, STEPS, 8192) for name in ("a", "b", "c")]
    body = manifest("bible", stages=stages, accelerator={"type": "cpu", "cpu": {"hosts": HOSTS, "devicesPerHost": 1}})
    body["metadata"] |= {"namespace": "default", "uid": "1a2b3c4d-0000-0000-0000-000000000000", "generation": 1, "resourceVersion": "7"}
    training = parse_training(body).model_copy(update={"status": status_before(newest)})
    for _ in range(2):  # the first decision completes the status, the second has nothing to add
        decision = plan(training, observed, NOW)
        training = training.model_copy(update={"status": decision.status})
    status = decision.status
    if decision.actions or (status.phase, status.current_stage, status.attempt) != (Phase.RUNNING, 2, newest):
        raise ValueError(f"plan sees another training: {status.phase}, stage {status.current_stage}, {decision.actions}")
    return Snapshot(training, observed)


def status_before(newest: int) -> Status:
    """A stage that is complete, and one with RESTARTS failed attempts before its newest."""
    final = FinalCheckpoint(path="gs://lwm/runs/s1/a1/60", step=STEPS, state_hash="1c9ee10c80fdfeff", record_hash="6fcffc30d52600ba")
    recent = (attempt(2, newest, AttemptState.RUNNING), *(failed_attempt(number) for number in range(newest - 1, 0, -1)))
    first = StageStatus(
        name="a",
        state=StageState.COMPLETE,
        step=STEPS,
        total_steps=STEPS,
        committed_step=STEPS,
        attempts=1,
        started_at=MOMENT,
        completed_at=MOMENT,
        final_checkpoint=final,
        recent_attempts=(attempt(1, 1, AttemptState.COMPLETE),),
    )
    second = StageStatus(
        name="b", state=StageState.RUNNING, total_steps=STEPS, attempts=newest, restarts=RESTARTS, started_at=MOMENT, recent_attempts=recent
    )
    return Status(observed_generation=1, current_stage=2, attempt=newest, stages=(first, second, StageStatus(name="c", total_steps=STEPS)))


def attempt(stage: int, number: int, state: AttemptState, **fields: Any) -> Attempt:
    return Attempt(number=number, state=state, job_uid=f"job-{stage}-{number}", started_at=MOMENT, **fields)


def failed_attempt(number: int) -> Attempt:
    name = f"bible-s2-a{number}-3"
    message = f"host 3 ({name} on node node1): exit code 137"
    cause = RootCause(failure_class=FailureClass.INFRA, reason="Killed", message=message, exit_code=137, host=3, pod=name, node="node1")
    return attempt(2, number, AttemptState.FAILED, finished_at=MOMENT, committed_step=number * EVERY, root_cause=cause)


def job(stage: int, attempt: int) -> JobView:
    return JobView(name=f"bible-s{stage}-a{attempt}", uid=f"job-{stage}-{attempt}", stage=stage, attempt=attempt, since=MOMENT)


def pod(stage: int, attempt: int, host: int, state: PodState, exit_code: int | None = None) -> PodView:
    name = f"bible-s{stage}-a{attempt}-{host}"
    node = f"node{host % 3 + 1}"
    return PodView(name=name, uid=name, stage=stage, attempt=attempt, index=host, state=state, node=node, exit_code=exit_code)


def report(attempt: int, step: int, phase: TrainerPhase = TrainerPhase.TRAINING) -> Progress:
    return Progress(
        attempt=attempt,
        phase=phase,
        phase_deadline_seconds=300,
        step=step,
        steps=STEPS,
        committed_step=step,
        loss=4.7,
        tokens_per_second=4210.0,
    )
