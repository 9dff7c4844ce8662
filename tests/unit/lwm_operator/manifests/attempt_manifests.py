"""Manifests of attempt 3 of stage 1, for the tests of this folder."""

from typing import Any

from lwm_operator.manifests.attempt import supporting_objects
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.job import jobs
from lwm_trainer.config import Start
from simulation.builders import training


def run(**changes: Any) -> AttemptSpec:
    start = Start(earlier_attempts=(2, 1), stage_checkpoint="gs://before/60")
    return AttemptSpec(training=training(**changes), stage=1, attempt=3, start=start, image="lwm-trainer:1", template="t")


def job(run: AttemptSpec) -> dict[str, Any]:
    """The Job of the only slice."""
    (manifest,) = jobs(run)
    return manifest


def pod(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = job(run(**changes))["spec"]["template"]["spec"]
    return spec


def environment(**changes: Any) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in pod(**changes)["containers"][0]["env"]}


def supporting_object(kind: str, **changes: Any) -> dict[str, Any]:
    return next(manifest for manifest in supporting_objects(run(**changes)) if manifest["kind"] == kind)
