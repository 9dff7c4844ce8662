"""Random histories keep the invariants and find planted bugs. `make test` runs 5,000 and counts what they reach, `make soak` 100,000."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lwm_operator.api.attempt_status import AttemptState, FailureClass, RootCause
from lwm_operator.api.dataset_status import DatasetState
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller import reconcile
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.plan import dataset_preparation, plan, stage_handover, stage_reconciler, stage_status
from lwm_operator.plan.actions import Action, DeletePreparation
from lwm_operator.plan.attempt import lifecycle, queueing, root_cause, template_change, termination
from lwm_operator.plan.failure import node_avoidance, retry_budgets
from lwm_operator.plan.failure.failure_classes import RULES
from lwm_operator.plan.observed import Observed
from lwm_trainer.config import Start
from simulation.coverage import COUNT, LEAST, missing
from simulation.histories import HistoryError, replay, run
from simulation.moves import MOVES
from simulation.simulated_cluster import SimulatedCluster

FEW = 150
WITHIN = 300
"""Histories in which each planted bug has to be found."""


def test_a_few_histories_keep_the_invariants_and_reach_every_phase_and_class() -> None:
    reached: Counter[str] = Counter()
    for seed in range(FEW):
        reached.update(run(seed))
    seldom = [name for name in missing(reached, least=1) if name.split()[0] in ("phase", "class", "attempt", "stage", "action")]
    assert seldom == [], f"the generator has become one-sided: {LEAST} in {COUNT} are wanted"


def test_a_history_can_be_replayed_from_its_moves() -> None:
    simulation = replay(
        1, [("reconcile",), ("start",), ("train", 5, True), ("fail", 0, 70, "message"), ("lose peers", 79), ("sync jobs",), ("reconcile",)]
    )
    assert simulation.coverage["class App"] == 1
    assert set(MOVES) > {"crash", "resume stale", "lose status", "set clock"}


def _created_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Observed, "blocks_next_attempt", lambda *_: False)


def _old_look_trusted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "MAX_AGE_SECONDS", float("inf"))


def _never_charged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retry_budgets, "charge", lambda entry, cause: entry)


def _disruption_charged(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(RULES, FailureClass.DISRUPTION, replace(RULES[FailureClass.DISRUPTION], budget="infra"))


def _refunded(patch: pytest.MonkeyPatch) -> None:
    """A commit gives back more than was taken."""
    right = retry_budgets.refill

    def wrong(entry: StageStatus) -> Any:
        spent = right(entry)
        return spent if spent is entry.budgets_used else spent.model_copy(update={"app": -1})

    patch.setattr(retry_budgets, "refill", wrong)


def _number_used_again(patch: pytest.MonkeyPatch) -> None:
    right = stage_status.begin_attempt
    patch.setattr(stage_reconciler, "begin_attempt", lambda entry, number, *rest: right(entry, min(number, 2), *rest))


def _effect_before_intent(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Reconciler, key: TrainingKey) -> float | None:
        training = await self._cluster.read_training(key)
        assert training is not None
        decided = self._plan(training, await self._cluster.observe(training))
        for action in decided.actions:
            await self._cluster.carry_out(training, action)
        await self._cluster.write_status(training, decided.status)
        return decided.requeue_after

    patch.setattr(Reconciler, "reconcile", wrong)


def _rolled_back_commits_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Start, "counts_until", lambda self, attempt: None)


def _rollbacks_lost(patch: pytest.MonkeyPatch) -> None:
    right = stage_handover.start_of
    patch.setattr(stage_reconciler, "start_of", lambda *arguments: right(*arguments).model_copy(update={"rollbacks": ()}))


def _resume_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "reset_budgets", lambda entry: entry)


def _suspension_charged(patch: pytest.MonkeyPatch) -> None:
    right = termination.finish_attempt

    def wrong(attempt: Any, state: AttemptState, ctx: Any) -> Any:
        suspended = state == AttemptState.SUSPENDED and attempt.job_uid is not None
        return right(attempt, AttemptState.FAILED if suspended else state, ctx)

    patch.setattr(lifecycle, "finish_attempt", wrong)


def _never_woken(patch: pytest.MonkeyPatch) -> None:
    right = termination.terminate
    patch.setattr(lifecycle, "terminate", lambda *arguments: replace(right(*arguments), wait_seconds=None))


def _conflict_overlooked(patch: pytest.MonkeyPatch) -> None:
    """A plan made from an old look is carried out whatever was written meanwhile."""
    right = SimulatedCluster.write_status

    async def wrong(self: SimulatedCluster, training: Training, status: Status, last_check: Callable[[], None]) -> bool:
        return await right(self, training.model_copy(update={"metadata": self.state.training.metadata}), status, last_check)

    patch.setattr(SimulatedCluster, "write_status", wrong)


def _left_to_the_queue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "delete_queued_leftovers", lambda *_: ())


def _eviction_charged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(root_cause, "eviction_cause", lambda job: RootCause(failure_class=FailureClass.INFRA, reason="EvictedByQueue"))


def _evicted_before_any_pod(patch: pytest.MonkeyPatch) -> None:
    """What is suspended is taken for what was evicted."""
    patch.setattr(queueing, "is_evicted", lambda job, *_: job is not None and job.suspended)


def _defaults_hashed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(template_change, "template_hash", lambda spec: f"2-{spec.execution.model_dump_json()}{spec.image}")


def _start_not_timed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "_recheck_after", lambda *_: None)


def _data_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dataset_preparation, "explain_unprepared", lambda drawn_on: None)


def _bad_data_tried_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dataset_preparation, "DONE", (DatasetState.READY,))


def _last_words_of_data_deleted(patch: pytest.MonkeyPatch) -> None:
    """A Job goes as soon as it is done, and with it the logs of its pods."""
    right = dataset_preparation.preparation_actions

    def wrong(training: Training, entries: Any, datasets: Any, observed: Observed, phase: Any) -> Iterator[Action]:
        yield from right(training, entries, datasets, observed, phase)
        for view in observed.preparations:
            if view.complete:
                yield DeletePreparation(name=view.job.name, uid=view.job.uid)

    patch.setattr(dataset_preparation, "preparation_actions", wrong)


def _provider_blamed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(node_avoidance, "blames_node", lambda cause: cause.node is not None)


def _disruptions_unlimited(patch: pytest.MonkeyPatch) -> None:
    right = retry_budgets.stop_after_failure

    def wrong(entry: StageStatus, policy: Any, gate: Any) -> Any:
        cause = entry.recent_attempts[0].root_cause
        return None if cause is not None and cause.failure_class == FailureClass.DISRUPTION else right(entry, policy, gate)

    patch.setattr(retry_budgets, "stop_after_failure", wrong)


def _lost_data_not_prepared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage_reconciler, "prepare_again", lambda datasets, *_: datasets)


def _lost_data_prepared_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retry_budgets, "MAX_DATA_LOSSES", 100)


BUGS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "the next attempt is created while pods of the last one live": (_created_at_once, "are live"),
    "an attempt is given up by an old look": (_old_look_trusted, "seen"),
    "failures are never charged": (_never_charged, "counted are"),
    "disruptions are charged to another budget": (_disruption_charged, "counted are"),
    "a commit gives back more than was taken": (_refunded, "spent is negative"),
    "attempt numbers are used again": (_number_used_again, "attempts"),
    "actions come before the status write": (_effect_before_intent, "without its intent"),
    "commits that were rolled back are read": (_rolled_back_commits_read, "the record is"),
    "a new attempt does not know of the rollbacks": (_rollbacks_lost, "does not know all rollbacks"),
    "spec.resume is ignored": (_resume_ignored, "after resume"),
    "an attempt that was told to leave counts as failed": (_suspension_charged, "told to leave"),
    "nobody wakes the operator to end survivors": (_never_woken, "the operator asked for None"),
    "a suspended Job of an ended attempt is left to the queue": (_left_to_the_queue, "may be admitted"),
    "an eviction by the queue is charged": (_eviction_charged, "was evicted by the queue"),
    "an attempt that waits in a queue counts as evicted": (_evicted_before_any_pod, "never had a pod"),
    "a stage does not wait for its data sets": (_data_not_waited_for, "its stage draws on"),
    "bad data is tried again by itself": (_bad_data_tried_again, "nobody said to resume"),
    "a prepared data set that is gone is not prepared again": (_lost_data_not_prepared, "is not prepared again"),
    "a prepared data set that something deletes is prepared for ever": (_lost_data_prepared_for_ever, "was gone 3 times"),
    "the Job of a data set that is ready is deleted": (_last_words_of_data_deleted, "its logs are gone"),
    "a node that its provider takes back is blamed": (_provider_blamed, "is blamed for"),
    "disruptions are retried for ever": (_disruptions_unlimited, "goes on"),
    "a conflict is overlooked": (_conflict_overlooked, ""),
    "a field with a default counts as an edit": (_defaults_hashed, "a new field with a default changes the plan"),
    "nobody wakes the operator when placement or start-up takes too long": (_start_not_timed, "the operator asked for None"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, sign = BUGS[bug]
    plant(monkeypatch)
    for seed in range(WITHIN):
        try:
            run(seed)
        except HistoryError as error:
            if sign in str(error.cause):
                print(f"{bug}: found by history {seed + 1}: {error.cause}")
                return
    pytest.fail(f"{WITHIN} histories do not find that {bug}")
