"""The plan needs nothing of the world: it runs with sockets, files, clocks and chance taken away."""

import builtins
import io
import os
import random
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from lwm_operator.plan.plan import plan
from simulation.builders import NOW, body, later, training
from simulation.simulation import Simulation

FORBIDDEN: list[tuple[Any, str]] = [
    (socket, "socket"),
    (socket, "create_connection"),
    (subprocess, "Popen"),
    (builtins, "open"),
    (io, "open"),
    (os, "open"),
    (os, "urandom"),
    (os, "environ"),
    (random, "random"),
    (random, "Random"),
    (secrets, "token_bytes"),
    (time, "time"),
    (time, "time_ns"),
    (time, "monotonic"),
    (time, "sleep"),
]


class Touched(Exception):  # noqa: N818 - it is not an error of ours
    """The world was touched."""


def forbidden(name: str) -> Callable[..., Any]:
    def touch(*_: Any, **__: Any) -> Any:
        raise Touched(name)

    return touch


def test_the_plan_runs_with_the_world_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(training())
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(10, commit=True)
    simulation.fail(0, 137)
    observed = simulation.observed()
    with monkeypatch.context() as gone:
        for owner, name in FORBIDDEN:
            gone.setattr(owner, name, forbidden(name))
        first = plan(training(), Simulation(training()).observed(), NOW)
        second = plan(simulation.training, observed, later(30))
        with pytest.raises(Touched):
            time.time()
    assert first.actions
    assert second.status.phase == "Recovering"


def test_the_plan_changes_nothing_that_it_is_given() -> None:
    given, simulation = training(), Simulation(training())
    before = given.model_dump_json()
    plan(given, simulation.observed(), NOW)
    assert given.model_dump_json() == before
    assert body()["spec"]["stages"][0]["name"] == "ctx512"
