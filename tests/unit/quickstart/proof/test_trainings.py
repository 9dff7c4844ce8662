"""The runs that are compared differ in one thing, and are trainings that local mode takes."""

from pathlib import Path

import pytest

from lwm_cli.local.manifest import Options, load_local
from quickstart.proof.trainings import (
    GROWING,
    LADDER,
    LONGEST,
    LONGEST_SAME_THETA,
    MASKED,
    NAIVE,
    SAME_THETA,
    TOKEN_MEAN,
    runs,
    write_manifest,
)

RUNS = {run.name: run for run in runs()}
CHECKPOINTS = {GROWING: ["/runs/s1/260", "/runs/s2/16", "/runs/s3/16"]}


def test_ladders_have_equal_tokens() -> None:
    tokens = sum(rung.tokens for rung in LADDER)
    assert {sum(rung.tokens for rung in RUNS[name].rungs) for name in (GROWING, LONGEST, LONGEST_SAME_THETA)} == {tokens}
    assert sum(rung.tokens for rung in RUNS[SAME_THETA].rungs) == tokens - LADDER[0].tokens


def test_contexts_grow_and_theta_with_them_but_not_where_it_stays() -> None:
    assert [rung.context for rung in LADDER] == sorted({rung.context for rung in LADDER})
    assert [rung.theta for rung in LADDER] == sorted({rung.theta for rung in LADDER})
    assert {rung.theta for rung in (*RUNS[SAME_THETA].rungs, *RUNS[LONGEST_SAME_THETA].rungs)} == {LADDER[0].theta}
    assert RUNS[LONGEST].rungs[0].context == LADDER[-1].context


def test_pairs_differ_in_one_thing() -> None:
    assert RUNS[MASKED].rungs == RUNS[NAIVE].rungs
    assert RUNS[MASKED].begins_with == RUNS[NAIVE].begins_with
    assert RUNS[TOKEN_MEAN].rungs == RUNS[GROWING].rungs[:1]
    assert (RUNS[TOKEN_MEAN].weighting, RUNS[GROWING].weighting) == ("tokens", "examples")


@pytest.mark.parametrize("name", list(RUNS))
def test_local_mode_takes_the_file(tmp_path: Path, name: str) -> None:
    write_manifest(RUNS[name], tmp_path / "data", CHECKPOINTS, tmp_path / "training.yaml")
    spec = load_local(tmp_path / "training.yaml", Options(), tmp_path / "run").spec
    assert [stage.context_length for stage in spec.stages] == [rung.context for rung in RUNS[name].rungs]
    start = spec.model.init_from
    assert (None if start is None else start.uri) == {
        SAME_THETA: "/runs/s1/260",
        MASKED: "/runs/s2/16",
        NAIVE: "/runs/s2/16",
    }.get(name)
