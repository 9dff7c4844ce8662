"""Fields and values of `spec` that had other names or places before contract version 3."""

import re
from collections.abc import Mapping
from typing import Any

FORMER_FIELDS: Mapping[str, str] = {
    "checkpoint.everySteps": "saveIntervalSteps",
    "checkpoint.keep": "maxToKeep",
    "datasets[].documents.longer": "overlong",
    "datasets[].frames.codes": "codebookSize",
    "datasets[].frames.limit": "maxFrames",
    "datasets[].frames.tokens": "tokensPerFrame",
    "failurePolicy.onDivergence.passOverCommits": "discardCheckpoints",
    "stages[].loss.absent": "missingModality",
    "stages[].loss.zWeight": "zLossWeight",
    "stages[].memory.accumulation": "gradientAccumulationSteps",
}
"""Path below `spec`, without the keys of list items -> the field's present name."""

MOVED_FIELDS: Mapping[str, str] = {"model.dtype": "spec.precision.compute"}
"""Path below `spec` -> the path from `spec` of the field that took its place elsewhere."""

FORMER_REMAT: Mapping[str, str] = {"nothing": "none", "layer": "full"}
"""Former values of stages[].memory.remat -> the present ones, which mean the same."""


def present_name(path: str) -> str | None:
    """The present name of a field by its path below `spec`, such as `stages[0].loss.zWeight`; of one that moved, the present path from
    `spec`. None when it has no other name."""
    former = re.sub(r"\[[^]]*\]", "[]", path)
    return FORMER_FIELDS.get(former) or MOVED_FIELDS.get(former)


def with_present_values(spec: Any) -> Any:
    """The spec with present values in place of former ones.

    The API server keeps a stored value that its CRD no longer lists, until somebody changes the stage; in one that has begun nobody can.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("stages"), list):
        return spec
    return {**spec, "stages": [_stage_with_present_values(stage) for stage in spec["stages"]]}


def _stage_with_present_values(stage: Any) -> Any:
    memory = stage.get("memory") if isinstance(stage, Mapping) else None
    if not isinstance(memory, Mapping) or memory.get("remat") not in FORMER_REMAT:
        return stage
    return {**stage, "memory": {**memory, "remat": FORMER_REMAT[memory["remat"]]}}
