"""A model on several hosts: process 0 answers requests, and tells the others what its batch does, so that they do the same."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from lwm_trainer.parallel.broadcast import Broadcast
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.running_batch import Advance, Joined, RunningBatch
from lwm_trainer.serving.commands import Command, decode
from lwm_trainer.serving.engine_thread import report

PATIENCE = 60.0
"""Seconds in which the other processes end a step that failed in process 0: longer than any step takes."""


class LeadingBatch:
    """The batch of process 0. What it is told, the others are told before, because a program waits for all processes."""

    def __init__(self, batch: RunningBatch, broadcast: Broadcast) -> None:
        self.inner, self._broadcast = batch, broadcast

    @property
    def joining(self) -> bool:
        return self.inner.joining

    @property
    def idle(self) -> bool:
        return self.inner.idle

    @property
    def free(self) -> int:
        return self.inner.free

    def join(self, requests: Sequence[Request], top: int = 0) -> list[Joined]:
        self._broadcast.send(Command("join", requests, top).encode())
        return self.inner.join(requests, top)

    def advance(self) -> Advance:
        self._broadcast.send(Command("advance").encode())
        return self.inner.advance()

    def cancel(self, number: int) -> None:
        self._broadcast.send(Command("cancel", number=number).encode())
        self.inner.cancel(number)


class LeadingGenerator:
    """The generator of process 0, for the engine's thread."""

    def __init__(self, generator: Generator, broadcast: Broadcast, give_up: Callable[[TimeoutError], NoReturn]) -> None:
        """`give_up` ends the process, with which JAX ends the others."""
        self._generator, self._broadcast, self._give_up = generator, broadcast, give_up

    @property
    def cache_use(self) -> float:
        return self._generator.cache_use

    def batch(self, rows: int = 1) -> LeadingBatch:
        return LeadingBatch(self._generator.batch(rows), self._broadcast)

    def start_anew(self) -> None:
        """Let all begin again after a step that failed here. Where it failed here only, the others wait for this process in its program."""
        self._broadcast.send(Command("start_anew").encode())
        try:
            self._broadcast.wait_until_confirmed(PATIENCE)
        except TimeoutError as error:
            self._give_up(error)
        self._generator.start_anew()

    def end(self) -> None:
        """Let the other processes end."""
        self._broadcast.send(Command("end").encode())


def follow(generator: Generator, broadcast: Broadcast, rows: int) -> None:
    """Do what process 0 does until it ends. Raises the error of a command after which process 0 goes on as if there were none."""
    failed: Exception | None = None
    while True:
        command = decode(broadcast.receive())
        if command.name == "end":
            return
        if command.name == "start_anew":
            generator.start_anew()
            broadcast.confirm()
            failed = None
            continue
        if failed is not None:
            raise failed  # it failed here only, and the programs of the processes are no longer the same
        try:
            batch = generator.batch(rows)
            if command.name == "join":
                batch.join(command.requests, command.top)
            elif command.name == "advance":
                batch.advance()
            else:
                batch.cancel(command.number)
        except Exception as failure:
            report(failure)
            failed = failure
