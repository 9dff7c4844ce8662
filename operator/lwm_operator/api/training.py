"""One LWMTraining as read from the API server."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.former_names import with_present_values
from lwm_operator.api.lost_fields import find_lost_fields
from lwm_operator.api.names import MAX_NAME_LENGTH, run_root
from lwm_operator.api.resource import LOCAL_PATH, Resource
from lwm_operator.api.rules import guarded, rule
from lwm_operator.api.spec import Spec
from lwm_operator.api.status import Status

BEGUN = "has(oldSelf.status) && has(oldSelf.status.currentStage)"


class Metadata(Resource):
    name: str
    namespace: str
    uid: str
    generation: int = 1
    resource_version: str = ""
    deletion_timestamp: str | None = None


class Training(Resource):
    """An LWMTraining. Raises `pydantic.ValidationError` when read from an object that the CRD would not admit."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule(
                f"self.metadata.name.size() <= {MAX_NAME_LENGTH} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                f"metadata.name must be at most {MAX_NAME_LENGTH} characters of a-z, 0-9 and '-', and begin with a letter:"
                " choose a shorter or simpler name, because it becomes part of host names",
            ),
            rule(
                f"!({BEGUN}) || (self.spec.stages.size() >= oldSelf.status.currentStage && oldSelf.spec.stages.all(i, s,"
                " i >= oldSelf.status.currentStage || (i < self.spec.stages.size() && s == self.spec.stages[i])))",
                "spec.stages: a stage that has begun cannot change, move or be removed: edit later stages, image, podTemplate, execution,"
                " failurePolicy, checkpoint.saveIntervalSteps, checkpoint.maxToKeep, suspend or resume, or create a new LWMTraining",
            ),
            rule(
                f"!({BEGUN}) || self.spec.accelerator == oldSelf.spec.accelerator",
                "spec.accelerator cannot change once a stage has begun: create a new LWMTraining instead",
            ),
        )
    )

    metadata: Annotated[Metadata, Field(exclude=True)]
    spec: Spec
    status: Status = Status()
    lost_fields: Annotated[tuple[str, ...], Field(exclude=True)] = ()
    """Paths below `spec` of fields that were applied and that the API server has dropped: `find_lost_fields`."""

    @property
    def run_root(self) -> str:
        """The folder in which the training writes. Its status names it, also where another object of the name began the run."""
        about = self.metadata
        return self.status.run_root or run_root(self.spec.checkpoint.base, about.namespace, about.name, about.uid)


def parse_training(
    body: Mapping[str, Any], *, extra: Literal["ignore"] | None = None, local_path: Callable[[str], str | None] | None = None
) -> Training:
    """Parse an API object. `extra="ignore"`: the CRD may be newer than the operator, so unknown fields are ignored at every depth.

    `local_path` is local mode's: in place of an address, a path of this machine is admitted, as which the function returns it.

    Raises `pydantic.ValidationError` for an object that the CRD would not admit.
    """
    return Training.model_validate(body, extra=extra, context=None if local_path is None else {LOCAL_PATH: local_path})


def parse_stored_training(body: Mapping[str, Any]) -> Training:
    """Parse an object that the API server stores, perhaps since another version of the CRD.

    Fields of a newer CRD are ignored at every depth, former values are read as the present ones, and `lost_fields` names what an older CRD
    had. Raises `pydantic.ValidationError` for everything else that the CRD would not admit.
    """
    present = {**body, "spec": with_present_values(body.get("spec")), "lostFields": find_lost_fields(body)}
    return parse_training(present, extra="ignore")
