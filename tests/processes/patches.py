"""Faults inside a trainer: each function changes the trainer of the process that calls it, before its main function runs."""

import ctypes
import itertools
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import lwm_trainer.gate as gate_module
import lwm_trainer.train as train_module
from lwm_trainer import config
from lwm_trainer.runtime import sigterm
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.step.batch import Batch
from lwm_trainer.step.global_batch import GlobalBatches
from lwm_trainer.step.train_step import TrainProgram

HANG_STEP, NAN_STEP, LAST_STEP = 7, 8, 4
BATCH_SECONDS = 0.3


def replace(owner: object, name: str, value: object) -> Any:
    """Give the attribute another value; the one that it had. Raises AttributeError where there is none, as after a renaming."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    return original


def no_batches() -> None:
    """The trainer meets a TypeError where it loads its data."""
    replace(train_module, "Batches", None)


def secret_in_an_exception() -> None:
    """An exception carries the value of the environment variable KEY."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise KeyError(os.environ["KEY"])

    replace(train_module, "Batches", refuse)


def host_1_sleeps() -> None:
    """Host 1 stands still at step HANG_STEP."""

    def batch(self: GlobalBatches, step: int) -> Batch:
        if step == HANG_STEP and os.environ["JOB_COMPLETION_INDEX"] == "1":
            time.sleep(600)
        return original(self, step)  # type: ignore[no-any-return]

    original = replace(GlobalBatches, "batch", batch)


def slow_batches() -> None:
    """Each step waits `BATCH_SECONDS` for its batch."""

    def batch(self: GlobalBatches, step: int) -> Batch:
        time.sleep(BATCH_SECONDS)
        return original(self, step)  # type: ignore[no-any-return]

    original = replace(GlobalBatches, "batch", batch)


def next_batch() -> None:
    """Each step trains on the batch of the step after it."""

    def batch(self: GlobalBatches, step: int) -> Batch:
        return original(self, step + 1)  # type: ignore[no-any-return]

    original = replace(GlobalBatches, "batch", batch)


def nan_loss() -> None:
    """The loss of step NAN_STEP is not a number."""

    def dispatched(self: object, step: int, metrics: Mapping[str, Any]) -> None:
        original(self, step, {**metrics, "loss": np.float32("nan")} if step == NAN_STEP else metrics)

    original = replace(train_module.StepObserver, "dispatched", dispatched)


def killed_at_question_3() -> None:
    """The process gets SIGKILL when the third question of a suite is asked."""
    numbers = itertools.count(1)

    def make_ask(*arguments: Any) -> Any:
        answer = original(*arguments)

        def ask(question: Any) -> str:
            if next(numbers) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer(question)  # type: ignore[no-any-return]

        return ask

    original = replace(gate_module, "make_ask", make_ask)


def long_compile() -> None:
    """Compiling takes ten minutes; the file `<checkpoint root>-compiles` appears when it begins."""

    def make_program(run: config.RunConfig, *arguments: object) -> TrainProgram:
        Path(f"{run.checkpoint.root}-compiles").touch()
        ctypes.CDLL(None).sleep(600)  # like XLA: the interpreter's lock is free, but this thread runs no Python
        return original(run, *arguments)  # type: ignore[no-any-return]

    original = replace(train_module, "make_program", make_program)


def stop_at_the_last_step() -> None:
    """All hosts agree to stop at step LAST_STEP, whose check is the attempt's check of that number."""
    checks = itertools.count(1)
    replace(sigterm.StopChecks, "stop_requested", lambda _: next(checks) >= LAST_STEP)


def sigterm_in_a_validation() -> None:
    """The process sends itself SIGTERM at the first batch of a validation, whose batches then take a while each."""
    began = False

    @contextmanager
    def during(self: PhaseTracker, phase: config.Phase) -> Iterator[None]:
        nonlocal began
        with original(self, phase):
            yield
        if phase == config.Phase.VALIDATING:
            if not began:
                os.kill(os.getpid(), signal.SIGTERM)
            began = True
            time.sleep(BATCH_SECONDS)

    original = replace(PhaseTracker, "during", during)


def sigterm_as_training_begins() -> None:
    """The process sends itself SIGTERM in the moment in which it enters the phase Training."""

    def enter(self: PhaseTracker, phase: config.Phase) -> None:
        original(self, phase)
        if phase == "Training":
            os.kill(os.getpid(), signal.SIGTERM)

    original = replace(PhaseTracker, "enter", enter)


def a_step_of_serving_fails_on_host_0() -> None:
    """Host 0 tells the others to advance and fails itself before it does; it gives them two seconds."""
    from lwm_trainer.serving import several_hosts
    from lwm_trainer.serving.commands import Command

    def advance(self: Any) -> NoReturn:
        self._broadcast.send(Command("advance").encode())
        raise MemoryError

    replace(several_hosts.LeadingBatch, "advance", advance)
    replace(several_hosts, "PATIENCE", 2.0)


def other_text_on_host_1() -> None:
    """Host 1 reads one document more than host 0: its volume is another one."""
    if os.environ[config.PROCESS_INDEX_VARIABLE] != "1":
        return

    def load_other(run: config.RunConfig, tokenizer: Any) -> Any:
        other = Path(run.datasets[0].uri).with_name("other")
        shutil.copytree(run.datasets[0].uri, other)
        (other / "more.txt").write_text("one more")
        return original(run.model_copy(update={"datasets": (run.datasets[0].model_copy(update={"uri": str(other)}),)}), tokenizer)

    original = replace(train_module, "load_documents", load_other)


def minutes_that_pass_with_steps() -> None:
    """25 s pass for process 0 each time that it looks at the clock of its saves, 7 s for any other process."""
    from lwm_trainer.checkpoint.save_schedule import SaveSchedule

    seconds = 25.0 if os.environ["JOB_COMPLETION_INDEX"] == "0" else 7.0
    ticks = itertools.count()

    def with_clock(self: Any, checkpoint: Any, share: Any) -> None:
        right(self, checkpoint, share, lambda: seconds * next(ticks))

    right = replace(SaveSchedule, "__init__", with_clock)
