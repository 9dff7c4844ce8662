"""Invariants that hold after every effect, checked against the state of the simulated cluster and not against the plan."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.api.dataset_status import DatasetState
from lwm_operator.api.spec import Spec
from lwm_operator.api.stage_status import ImageSource, StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.plan.actions import CreateAttempt, CreatePreparation
from lwm_operator.plan.attempt import template_change
from lwm_operator.plan.observed import OVERDUE_SECONDS, JobView, PodState, PodView, PreparationView
from lwm_operator.plan.reasons import find_reason
from lwm_operator.plan.timestamps import seconds_since
from lwm_trainer.config import Start
from simulation.budget_oracle import BudgetOracle
from simulation.fake_bucket import advanced

if TYPE_CHECKING:
    from simulation.state import ClusterState

OVER = (AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED)
ENDING = (AttemptState.STOPPING, AttemptState.SUSPENDING, *OVER)
STOPPED = (StageState.PAUSED, StageState.FAILED)
PREPARED = (DatasetState.READY, DatasetState.FAILED)
STALE_SECONDS = 30.0
AWAITED = ("LeaseNotRenewed", "PlacementTimeout", "StartupTimeout", "AvoidedNodesNeeded", "Superseded", "NodeNotReady")
"""Why the operator gives up an attempt although none of its pods has ended."""
BLAMELESS = (
    "NodeGone",
    "NodeReclaimed",
    "NodeAffinity",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
    "DataMissing",
    "StorageDenied",
    "Transient",
)
"""Reasons that no node is at fault for."""
SHARDS = 4
"""Shards of every data set that is prepared."""
VALIDATE_EVERY = 8


class InvariantError(AssertionError):
    """An invariant is violated."""


def require(holds: bool, violation: str | Callable[[], str]) -> None:
    """Raise InvariantError with this sentence unless the invariant holds."""
    if not holds:
        raise InvariantError(violation if isinstance(violation, str) else violation())


@dataclass
class Invariants:
    job_names: set[str] = field(default_factory=set)
    images: dict[str, str] = field(default_factory=dict)
    """The installation's image with which each stage began, by the stage's name."""
    """Names of all Jobs that ever existed."""
    budgets: dict[str, BudgetOracle] = field(default_factory=dict)
    """By the name of the stage."""
    unknown_records: set[str] = field(default_factory=set)
    """Stages whose rollbacks were lost with the status: their line of record is no longer known."""
    writes: int = 0

    # Effects.

    def job_created(self, state: "ClusterState", name: str, index: int, action: CreateAttempt, *, fresh: bool) -> None:
        status = state.training.status
        entry = status.stages[action.stage - 1] if len(status.stages) >= action.stage else None
        known = entry.attempts if entry is not None else 0
        if not fresh:
            require(known >= action.attempt or not known, f"{name} is created, and no intent was ever written")
            self.job_names.add(name)
            return
        newest = entry.recent_attempts[0] if entry is not None and entry.recent_attempts else None
        require(
            newest is not None and newest.number == action.attempt and newest.state == AttemptState.CREATING,
            f"{name} is created without its intent in the stored status",
        )
        require(not state.training.spec.suspend, f"{name} is created while spec.suspend is true")
        require(not state.training.lost_fields, f"{name} is created with defaults in place of lost fields")
        number = action.stage, action.attempt
        left = [pod.name for pod in state.pods.values() if may_run(state, pod) and (pod.stage, pod.attempt) != number]
        require(not left, f"{name} is created while {left} are live")
        seen = number in state.reports or any((pod.stage, pod.attempt, pod.slice) == (*number, index) for pod in state.pods.values())
        require(name not in self.job_names or not seen, f"{name} is created a second time")
        require(action.start.earlier_attempts == tuple(range(action.attempt - 1, 0, -1)), f"{name} does not know all earlier attempts")
        require(entry is not None and action.start.rollbacks == entry.rollbacks, f"{name} does not know all rollbacks")
        drawn = spec_of(state).datasets_of(spec_of(state).stages[action.stage - 1])
        wanted = {each.name: f"gs://lwm/runs/datasets/{each.name}" for each in drawn if each.preparation is not None}
        require(dict(action.prepared) == wanted, f"{name} is told of {action.prepared}, its stage draws on {wanted}")
        written = all(state.shards_written[each] >= SHARDS or each in state.lost_datasets for each in wanted)
        require(written, f"{name} is created before its data is written")
        self._image(state, name, action)
        require(
            action.template == template_change.template_hash(spec_of(state)), f"{name} is created from another spec than the present one"
        )
        self.job_names.add(name)

    def job_released(self, state: "ClusterState", released: JobView) -> None:
        slices = [job for job in state.jobs.values() if (job.stage, job.attempt) == (released.stage, released.attempt)]
        require(len(slices) == state.slices, f"{released.name} gets pods, and there are {len(slices)} of {state.slices} slices")

    def _image(self, state: "ClusterState", name: str, action: CreateAttempt) -> None:
        """A stage keeps the image with which it began, whatever the operator is upgraded to; spec.image decides over it."""
        wanted, entry = spec_of(state).image, state.training.status.stages[action.stage - 1]
        require(action.image == entry.image, f"{name} has the image {action.image}, its status says {entry.image}")
        if wanted:
            require(action.image == wanted, f"{name} has the image {action.image}, the spec says {wanted}")
        else:
            pinned = self.images.setdefault(entry.name, action.image)
            require(action.image == pinned, f"{name} has the image {action.image}, its stage began with {pinned}")

    def preparation_created(self, state: "ClusterState", name: str, dataset: str, action: CreatePreparation, *, fresh: bool) -> None:
        if not fresh:
            return
        status = state.training.status
        entry = next((each for each in status.datasets if each.name == dataset), None)
        require(entry is not None and entry.run == action.run, f"{name} is created, and the stored status knows no such run")
        require(entry is not None and entry.state not in PREPARED, f"{name} is created, and its data set is {entry and entry.state}")
        require(not state.training.spec.suspend, f"{name} is created while spec.suspend is true")
        require(not state.training.lost_fields, f"{name} is created with defaults in place of lost fields")
        require(status.phase not in (Phase.FAILED, Phase.PAUSED, Phase.COMPLETE), f"{name} is created, and the training is {status.phase}")

    def preparation_deleted(self, state: "ClusterState", view: PreparationView, *, fresh: bool) -> None:
        entry = next((each for each in state.training.status.datasets if each.name == view.dataset), None)
        if fresh and entry is not None and entry.run == view.run:
            require(entry.state not in PREPARED, f"{view.job.name} is deleted, and its data set is {entry.state}: its logs are gone")

    def pod_deleted(self, state: "ClusterState", pod: PodView, *, fresh: bool) -> None:
        status = state.training.status
        if not fresh or (pod.stage, pod.attempt) != (status.current_stage, status.attempt):
            return
        newest = status.stages[pod.stage - 1].recent_attempts[0]
        require(newest.state in ENDING, f"{pod.name} is deleted, and in the stored status its attempt is {newest.state}")

    def attempt_deleted(self, state: "ClusterState", job: JobView, *, fresh: bool) -> None:
        if not fresh:
            return
        entry = state.training.status.stages[job.stage - 1]
        given_back = (job.suspended or job.held) and entry.recent_attempts[0].state in OVER
        require(job.attempt < entry.attempts or given_back, f"{job.name} is the newest attempt of its stage, and is deleted")
        left = [pod.name for pod in state.pods.values() if pod.live and (pod.stage, pod.attempt) == (job.stage, job.attempt)]
        require(not left, f"{job.name} is deleted while {left} are live")

    def children_cleaned_up(self, state: "ClusterState", *, fresh: bool) -> None:
        ended = any(each.type in ("Complete", "Failed") and each.status == "True" for each in state.training.status.conditions)
        require(ended or not fresh, "children are cleaned up, and the training has not ended")

    # The status.

    def status_written(self, state: "ClusterState", old: Status, new: Status, age: float) -> None:
        """`age` is how many seconds ago the children were observed."""
        self.writes += 1
        self._news_awaited(state, old, new, age)
        self._bounded(new)
        require(new.observed_resume >= old.observed_resume, "status.observed_resume went back")
        self._datasets(state, old, new)
        self._blame(state, old, new)
        before = {entry.name: entry for entry in old.stages}
        going, open_stage = 0, False
        for number, entry in enumerate(new.stages, start=1):
            was = before.get(entry.name) or StageStatus(name=entry.name)
            going += sum(attempt.state not in OVER for attempt in entry.recent_attempts)
            require(entry.state == StageState.PENDING or not open_stage, f"stage {number} has begun before the one before it was complete")
            open_stage = open_stage or entry.state != StageState.COMPLETE
            if entry is was or entry == was:
                if new.observed_resume > old.observed_resume:
                    self._budget(entry.name).reset(was)
                continue
            self._trainers_that_ended_well(state, number, was, entry)
            self._stage(state, was, entry, resumed=new.observed_resume > old.observed_resume)
            if entry.state == StageState.COMPLETE and was.state != StageState.COMPLETE:
                self._record(state, new, number - 1)
        require(going <= 1, f"{going} attempts are not over")

    def _trainers_that_ended_well(self, state: "ClusterState", stage: int, was: StageStatus, now: StageStatus) -> None:
        """An attempt whose trainers have all ended well does not fail for what becomes of their pods afterwards."""
        if (
            not now.recent_attempts
            or now.recent_attempts[0].state != AttemptState.FAILED
            or now.recent_attempts[:1] == was.recent_attempts[:1]
        ):
            return
        attempt = now.recent_attempts[0]
        pods = [pod for pod in state.pods.values() if (pod.stage, pod.attempt) == (stage, attempt.number)]
        done = {pod.index for pod in pods if pod.state == PodState.SUCCEEDED and pod.termination_message is not None}
        require(len(done) < state.hosts, f"all trainers of attempt {attempt.number} ended well, and it failed: {attempt.root_cause}")

    def _news_awaited(self, state: "ClusterState", old: Status, new: Status, age: float) -> None:
        """An attempt is not given up for news that may have come since the operator looked."""
        before = {(entry.name, attempt.number): attempt.state for entry in old.stages for attempt in entry.recent_attempts}
        for entry in new.stages:
            for attempt in entry.recent_attempts[:2]:
                cause, was = attempt.root_cause, before.get((entry.name, attempt.number))
                if cause is None or attempt.state not in (AttemptState.STOPPING, AttemptState.FAILED) or was in (*OVER, attempt.state):
                    continue
                if cause.reason in AWAITED and was != AttemptState.STOPPING:
                    require(age <= STALE_SECONDS, f"attempt {attempt.number} ends by what was seen {age} s ago: {cause}")
                    state.coverage["given up late"] += age > 0

    def _blame(self, state: "ClusterState", old: Status, new: Status) -> None:
        """A node is blamed only for a failure of its own, and that of an attempt which has just failed."""
        if not set(new.node_faults) - set(old.node_faults):
            return
        (stage,) = (number for number, entry in enumerate(new.stages, start=1) if entry.state in (StageState.RUNNING, *STOPPED))
        attempts = new.stages[stage - 1].recent_attempts
        attempt = next(attempt for attempt in attempts if attempt.state == AttemptState.FAILED)
        cause = attempt.root_cause
        assert cause is not None
        state.coverage["blame a node"] += 1
        blamed = new.node_faults[-1].node
        own = cause.failure_class in (FailureClass.INFRA, FailureClass.HANG) and cause.reason not in BLAMELESS
        require(own and cause.node == blamed, f"{blamed} is blamed for {cause}")
        require((stage, attempt.number) not in state.hung_together or cause.reason != "Hang", f"all hosts hung at one step: {cause}")

    def _datasets(self, state: "ClusterState", old: Status, new: Status) -> None:
        before = {entry.name: entry for entry in old.datasets}
        losses = self._data_losses(old, new)
        if losses and not any(entry.state in STOPPED for entry in new.stages):
            require(any(entry.state != DatasetState.READY for entry in new.datasets), "a data set is gone, and is not prepared again")
        for entry in new.datasets:
            was = before.get(entry.name, entry)
            require(entry.run >= was.run, f"data set {entry.name}: run went from {was.run} to {entry.run}")
            gone = entry.run > was.run and (new.observed_resume > old.observed_resume or losses == 1)
            # The status of a former CRD had another name for the path: it is looked up again, or the data set is prepared again.
            kept = was.state != DatasetState.READY or was.path is None or entry == was or gone
            require(kept, f"data set {entry.name} was ready and is {entry.state}")
            state.coverage["data prepared again"] += gone and was.state == DatasetState.READY
            kept = was.state != DatasetState.FAILED or entry == was or new.observed_resume > old.observed_resume
            require(kept, f"data set {entry.name} had failed, and nobody said to resume")
            done = entry.state != DatasetState.READY or state.shards_written[entry.name] >= SHARDS or entry.name in state.lost_datasets
            require(done, f"data set {entry.name} is ready with {state.shards_written[entry.name]} shards")

    @staticmethod
    def _data_losses(old: Status, new: Status) -> int:
        """How many attempts have just failed because a prepared data set was gone."""
        before = {entry.name: {attempt.number for attempt in entry.recent_attempts if attempt.state in OVER} for entry in old.stages}
        return sum(
            attempt.number not in before.get(entry.name, ())
            and attempt.root_cause is not None
            and attempt.root_cause.reason == "DataMissing"
            for entry in new.stages
            for attempt in entry.recent_attempts
            if attempt.state == AttemptState.FAILED
        )

    def _stage(self, state: "ClusterState", was: StageStatus, now: StageStatus, *, resumed: bool) -> None:
        if now.image_source == ImageSource.SPEC:
            self.images.pop(now.name, None)
        name, numbers = now.name, [attempt.number for attempt in now.recent_attempts]
        require(now.attempts >= was.attempts, f"stage {name}: attempts went from {was.attempts} to {now.attempts}")
        require(numbers == sorted(set(numbers), reverse=True), f"stage {name}: attempts {numbers}")
        require(not numbers or numbers[0] == now.attempts, f"stage {name}: {now.attempts} attempts, the newest is {numbers[:1]}")
        require(all(attempt.state in OVER for attempt in now.recent_attempts[1:]), f"stage {name}: an earlier attempt is not over")
        if was.state == StageState.COMPLETE:
            require(now.state == was.state, f"stage {name} was complete and is {now.state}")
            require(now.final_checkpoint == was.final_checkpoint, f"stage {name}: another final checkpoint")
        if was.state in STOPPED and not resumed:
            require(now.state == was.state, f"stage {name} was {was.state} and is {now.state}, and nobody said to resume")
        require((now.state == StageState.COMPLETE) == (now.final_checkpoint is not None), f"stage {name}: {now.state} and its checkpoint")
        ended = {attempt.number: attempt.state for attempt in was.recent_attempts if attempt.state in OVER}
        require(
            all(ended.get(attempt.number, attempt.state) == attempt.state for attempt in now.recent_attempts),
            f"stage {name}: an attempt that was over is so no longer",
        )
        suspending = {attempt.number for attempt in was.recent_attempts if attempt.state == AttemptState.SUSPENDING}
        for attempt in now.recent_attempts[:1]:
            charged = attempt.number in suspending and attempt.state in (AttemptState.FAILED, AttemptState.STOPPING)
            mute = attempt.root_cause is not None and attempt.root_cause.reason == "CompletedWithoutCheckpoint"
            require(not charged or mute, f"stage {name}: attempt {attempt.number} was told to leave, and that counts as a failure")
        budget = self._budget(name)
        if resumed:
            budget.reset(was)
        for attempt in now.recent_attempts:
            if attempt.state == AttemptState.FAILED and attempt.number not in ended and attempt.root_cause is not None:
                state.coverage[f"class {attempt.root_cause.failure_class}"] += 1
                state.coverage[f"decision {attempt.root_cause.reason}"] += 1
                self._evicted(state, attempt, attempt.root_cause)
                budget.charge(was, now, attempt, attempt.root_cause)
                state.coverage["blame nobody"] += attempt.root_cause.node is None
                if (stop := budget.exhausted(state.training.spec.failure_policy, attempt.root_cause)) is not None:
                    require(now.state in STOPPED, f"stage {name} goes on: {stop}")
                    state.coverage[f"stop {attempt.root_cause.failure_class}"] += 1
                    state.coverage["data lost too often"] += "was gone" in stop
                    disrupted = attempt.root_cause.failure_class == FailureClass.DISRUPTION
                    require(not disrupted or now.state == StageState.PAUSED, f"stage {name} is {now.state} after disruptions alone")
        budget.compare(now)

    def _evicted(self, state: "ClusterState", attempt: Attempt, cause: RootCause) -> None:
        """An eviction by the queue is a disruption, and an attempt that never had a pod was not evicted."""
        if attempt.job_uid in state.evicted_jobs and cause.reason != "CompletedWithoutCheckpoint":
            require(
                cause.failure_class == FailureClass.DISRUPTION, f"attempt {attempt.number} was evicted by the queue, and told is {cause}"
            )
        if cause.reason == "EvictedByQueue":
            had = any(gang is state.gang_by_job.get(attempt.job_uid or "") for gang in state.gang_by_pod.values())
            require(had, f"attempt {attempt.number} never had a pod, and has ended as evicted")

    def no_sidecar_left_running(self, state: "ClusterState") -> None:
        """In a quiet cluster, no container of an ended attempt keeps a host's devices: its pod is at least being deleted."""
        left = [pod.name for pod in state.pods.values() if pod.sidecars_run and not pod.deleting and self._is_over(state, pod)]
        require(not left, f"containers of {left} run on, and their attempts have ended")

    @staticmethod
    def _is_over(state: "ClusterState", pod: PodView) -> bool:
        entries = state.training.status.stages
        attempts = entries[pod.stage - 1].recent_attempts if len(entries) >= pod.stage else ()
        return any(attempt.number == pod.attempt and attempt.state in OVER for attempt in attempts)

    def no_job_left_to_the_queue(self, state: "ClusterState") -> None:
        """In a quiet cluster, no Job of an ended attempt is left to a queue that might admit it."""
        ended = {
            (number, attempt.number)
            for number, entry in enumerate(state.training.status.stages, start=1)
            for attempt in entry.recent_attempts
            if attempt.state in OVER
        }
        live = {(pod.stage, pod.attempt) for pod in state.pods.values() if pod.live}
        left = [job.name for job in state.jobs.values() if job.suspended and not job.failed and (job.stage, job.attempt) in ended - live]
        require(not left, f"{left} may be admitted, and their attempts have ended")
        if state.training.status.phase == Phase.COMPLETE:
            goes_on = [view.job.name for view in state.preparations.values() if not (view.complete or view.job.failed)]
            require(not goes_on, f"{goes_on} go on, and the training is complete")

    def _budget(self, name: str) -> BudgetOracle:
        return self.budgets.setdefault(name, BudgetOracle())

    def _record(self, state: "ClusterState", status: Status, index: int) -> None:
        """Every step is once in the final record, with its right batch, and the first follows on the stage before."""
        entry = status.stages[index]
        if entry.name in self.unknown_records or entry.final_checkpoint is None:
            return
        commit = state.bucket.finals.get(entry.final_checkpoint.path)
        require(commit is not None, f"stage {entry.name}: there is no commit at {entry.final_checkpoint.path}")
        assert commit is not None
        line = Start(rollbacks=entry.rollbacks)
        wanted = tuple(line.batch_of(step) for step in range(entry.total_steps))
        require(commit.batches == wanted, lambda: f"stage {entry.name}: the record is {commit.batches}, it should be {wanted}")
        before = status.stages[index - 1].final_checkpoint if index else None
        trained_state = state.bucket.finals[before.path].state if before is not None else 0
        for step, batch in enumerate(wanted):
            trained_state = advanced(trained_state, step, batch)
        require(commit.state == trained_state, f"stage {entry.name}: its state does not come of its record")

    def status_lost(self, state: "ClusterState") -> None:
        """The status is lost: the plan cannot be held to what only the status knew."""
        self.unknown_records |= {entry.name for entry in state.training.status.stages if entry.rollbacks}
        self.budgets.clear()

    def _bounded(self, status: Status) -> None:
        require(find_reason(status.reason) is not None and bool(status.message), f"{status.reason!r} is not in plan/reasons, or no message")
        require(len(status.message) <= 1024, f"a message of {len(status.message)} characters")
        for entry in status.stages:
            require(len(entry.recent_attempts) <= 10, f"stage {entry.name}: {len(entry.recent_attempts)} recent attempts")
        if self.writes % VALIDATE_EVERY == 0:
            Status.model_validate(status.model_dump())


def spec_of(state: "ClusterState") -> Spec:
    return state.training.spec


def may_run(state: "ClusterState", pod: PodView) -> bool:
    """Whether the pod may still run; one on a lost node, or one that is long overdue, may not.

    Both clocks count, the API server's and the operator's: one that is hours ahead takes a pod that is just ending for one that nobody
    ends. What such a zombie commits is held against the line of record like any other's.
    """
    if not pod.live or pod.node in state.lost_nodes:
        return False
    return pod.deletion_deadline is None or seconds_since(pod.deletion_deadline, max(state.clock, state.now)) <= OVERDUE_SECONDS
