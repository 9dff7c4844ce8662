"""The port to this machine, with the real reconciler and processes that train nothing."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lwm_operator.api.attempt_status import AttemptState, FailureClass, RootCause
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_operator.cluster.port import ConflictError
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.run_config import run_config
from lwm_trainer.config import RunConfig
from support.local_training import Machine

FIRST = ("tiny-s1-a1-0", "tiny-s1-a1-1")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def root_cause(training: Training, attempt: int = 1) -> RootCause:
    """The cause of an attempt of the first stage."""
    cause = next(each for each in training.status.stages[0].recent_attempts if each.number == attempt).root_cause
    assert cause is not None
    return cause


async def test_stages_run_one_after_the_other_to_complete(machine: Machine) -> None:
    for stage, steps in (1, 12), (2, 6):
        names = [f"tiny-s{stage}-a1-{host}" for host in (0, 1)]
        training = await machine.until_trains(*names)
        assert f"step {steps - 1}/{steps}, loss 2.5000, 1.2k tokens/s" in training.status.message
        for name in names:
            machine.trainer.end(name, 0)
    training = await machine.until(lambda training: training.status.phase == Phase.COMPLETE)
    assert [stage.attempts for stage in training.status.stages] == [1, 1]
    assert training.status.stages[1].final_checkpoint is not None
    assert [event["reason"] for event in machine.folder.events()][-1] == "TrainingComplete"


async def test_a_process_gets_what_a_pod_gets(machine: Machine) -> None:
    training = await machine.until_trains(*FIRST)
    stored = RunConfig.model_validate_json((machine.folder.path / "attempts" / "tiny-s1-a1" / "run.json").read_text())
    pods = run_config(
        AttemptSpec(training=training, stage=1, attempt=1, start=stored.start, image="", template="", prepared={}),
    )
    of_this_machine = {"gang": stored.gang, "lease": None, "metrics_port": 0}
    assert stored == pods.model_copy(update=of_this_machine)
    assert stored.gang == pods.gang.model_copy(update={"coordinator": stored.gang.coordinator})
    assert stored.gang.coordinator.startswith("127.0.0.1:")
    variables = json.loads(machine.trainer.environment(FIRST[1]))
    assert (variables["PJRT_NPROC"], variables["JOB_COMPLETION_INDEX"]) == ("2", "1"), "threads decide the order of sums"
    assert variables["HOME"] == os.environ["HOME"], "a pod's home is its own"


async def test_a_killed_process_is_killed_and_the_next_attempt_follows(machine: Machine) -> None:
    await machine.until_trains(*FIRST)
    os.kill(machine.pid(FIRST[1]), signal.SIGKILL)
    training = await machine.until(lambda training: training.status.attempt == 2)
    cause = root_cause(training)
    assert (cause.failure_class, cause.reason, cause.exit_code, cause.host) == (FailureClass.INFRA, "Killed", 137, 1)
    assert training.status.stages[0].committed_step == 11
    await machine.until_trains("tiny-s1-a2-0", "tiny-s1-a2-1")


async def test_bad_data_is_permanent_with_the_trainers_words(machine: Machine) -> None:
    await machine.until_trains(*FIRST)
    machine.trainer.end(FIRST[0], 65, "DataMissing")
    training = await machine.until(lambda training: training.status.phase == Phase.FAILED)
    assert root_cause(training).reason == "DataMissing"
    assert not machine.cluster.live
    assert "set spec.resume to 1" in training.status.message


async def test_a_later_command_goes_on_with_processes_that_still_run(machine: Machine) -> None:
    await machine.until_trains(*FIRST)
    machine.restart()
    assert machine.cluster.live == 2
    machine.trainer.end(FIRST[0], 70, "UncaughtException")
    training = await machine.until(lambda training: training.status.stages[0].failures.app == 1)
    assert root_cause(training).exit_code == 70, "which its termination message tells, as nobody waited for it"


async def test_after_everything_was_killed_the_next_attempt_begins_at_once(machine: Machine) -> None:
    await machine.until_trains(*FIRST)
    machine.cluster.kill()
    machine.restart()
    training = await machine.until_trains("tiny-s1-a2-0", "tiny-s1-a2-1")
    cause = root_cause(training)
    assert (cause.failure_class, cause.reason) == (FailureClass.DISRUPTION, "Terminated")
    assert "it ended while no lwm train was running" in cause.message
    assert training.status.stages[0].restarts == 1


async def test_leaving_saves_and_charges_nothing(machine: Machine) -> None:
    await machine.until_trains(*FIRST)
    machine.cluster.leaving = True
    training = await machine.until(lambda training: training.status.phase == Phase.SUSPENDED and not machine.cluster.live)
    assert training.status.stages[0].recent_attempts[0].state == AttemptState.SUSPENDED
    assert not training.spec.suspend, "the stored spec is the user's"
    machine.restart()
    training = await machine.until_trains("tiny-s1-a2-0", "tiny-s1-a2-1")
    assert training.status.stages[0].failures.disruption == 0


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace_period(machine: Machine) -> None:
    await machine.until_trains(*FIRST)
    os.kill(machine.pid(FIRST[0]), signal.SIGSTOP)
    machine.cluster.leaving = True
    await machine.until(lambda _: machine.cluster.live == 1)
    machine.ahead = timedelta(seconds=121)
    await machine.until(lambda training: training.status.phase == Phase.SUSPENDED and not machine.cluster.live)


async def test_a_status_is_not_written_over_a_newer_training(machine: Machine) -> None:
    training = machine.cluster.training()
    machine.folder.change(lambda body: body["spec"].update(suspend=True))
    with pytest.raises(ConflictError):
        await machine.cluster.write_status(training, training.status.model_copy(update={"phase": Phase.RUNNING}))
    assert machine.folder.training().metadata.generation == 2


@pytest.fixture
def preparing(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, ("source: {uri: file:texts}}", "source: {uri: file:texts}, preparation: {workers: 2}}"))
    yield machine
    machine.close()


async def test_a_data_set_is_prepared_and_a_worker_retried(preparing: Machine) -> None:
    await preparing.until(lambda training: training.status.reason == "Preparing" and preparing.trainer.runs("tiny-d1-r0-1"))
    preparing.trainer.end("tiny-d1-r0-1", 75, "StorageUnavailable")
    await preparing.until(lambda _: preparing.cluster.live == 1)
    preparing.ahead = timedelta(seconds=11)
    await preparing.until(lambda _: preparing.cluster.live == 2)
    for worker in (0, 1):
        preparing.trainer.end(f"tiny-d1-r0-{worker}", 0)
    training = await preparing.until_trains(*FIRST)
    assert training.status.datasets[0].path == "/prepared"
    run = RunConfig.model_validate_json((preparing.folder.path / "attempts" / "tiny-s1-a1" / "run.json").read_text())
    assert run.datasets[0].prepared == "/prepared"


async def test_bad_data_ends_a_preparation_with_all_its_workers(preparing: Machine) -> None:
    await preparing.until(lambda _: all(preparing.trainer.runs(f"tiny-d1-r0-{worker}") for worker in (0, 1)))
    preparing.trainer.end("tiny-d1-r0-1", 65, "DataCorrupt")
    training = await preparing.until(lambda training: training.status.phase == Phase.FAILED and not preparing.cluster.live)
    assert training.status.reason == "DataCorrupt"
    assert "worker 1" in training.status.message
