"""Real traces of a small program, and what a failing one does to the training."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from lwm_trainer.tracking.profiler import Profiler
from support.builders import a_run


def profiler(root: Path, steps: tuple[int, ...], written: list[str]) -> tuple[Profiler, list[int]]:
    """And the number of waits, as the length of a list."""
    waits: list[int] = []
    run = a_run(steps=9, attempt=3, profile_steps=steps, checkpoint={"root": str(root), "save_interval_steps": 1})
    return Profiler(run, lambda: waits.append(1), written.append), waits


def train(profiler: Profiler, steps: range) -> None:
    for step in steps:
        profiler.before(step)
        jnp.ones(3).block_until_ready()
        profiler.after(step)


def test_steps_that_follow_each_other_are_one_trace_where_xprof_looks(tmp_path: Path) -> None:
    written: list[str] = []
    traced, waits = profiler(tmp_path, (2, 3, 5), written)
    train(traced, range(1, 8))
    place = tmp_path / "tensorboard" / "s1-s" / "plugins" / "profile"
    assert written == [str(place / "a3-steps-2-3"), str(place / "a3-steps-5-5")]
    for folder in written:
        (trace,) = Path(folder).iterdir()
        assert trace.name.endswith(".xplane.pb")
        assert b"/host:CPU" in trace.read_bytes()
    assert len(waits) == 4


def test_a_resumed_attempt_traces_what_is_left_of_the_steps(tmp_path: Path) -> None:
    written: list[str] = []
    traced, _ = profiler(tmp_path, (2, 3, 4), written)
    train(traced, range(4, 6))
    assert [Path(folder).name for folder in written] == ["a3-steps-4-4"]


def test_without_steps_nothing_is_done(tmp_path: Path) -> None:
    written: list[str] = []
    traced, waits = profiler(tmp_path, (), written)
    train(traced, range(1, 9))
    assert (written, waits, list(tmp_path.iterdir())) == ([], [], [])


def test_a_trace_that_fails_leaves_the_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("no profiler on this device")

    monkeypatch.setattr(jax.profiler, "start_trace", refuse)
    written: list[str] = []
    traced, _ = profiler(tmp_path, (2,), written)
    train(traced, range(1, 4))
    assert written == []
    assert capsys.readouterr().err == "profile: RuntimeError: no profiler on this device; training goes on without it\n"
