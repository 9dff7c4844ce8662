"""What the manifests of an attempt are made from, and the metadata of every object that the operator creates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lwm_operator.api import names
from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.stage import Stage
from lwm_operator.api.training import Training
from lwm_operator.platforms.gang import Gang, gang_of
from lwm_trainer.config import Start, slice_name

Manifest = dict[str, Any]


class PodOwner(Protocol):
    """An attempt or a preparation: both have pods, a Lease and an account."""

    @property
    def training(self) -> Training: ...
    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def image(self) -> str: ...
    @property
    def fixed_user(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """One attempt (1-based) of one stage (1-based) of a training."""

    training: Training
    stage: int
    attempt: int
    start: Start
    image: str
    template: str
    avoided_nodes: tuple[str, ...] = ()
    avoided_node_pools: tuple[str, ...] = ()
    prepared: Mapping[str, str] = field(default_factory=dict)
    """Token stores of prepared data sets, by the data set's name."""
    fixed_user: bool = True
    """False: the platform assigns the pods' user and groups, as OpenShift does."""

    @property
    def stage_spec(self) -> Stage:
        return self.training.spec.stages[self.stage - 1]

    @property
    def accelerator(self) -> Accelerator:
        return self.training.spec.accelerator_of(self.stage_spec)

    @property
    def gang(self) -> Gang:
        """Raises PlatformError for a spec that `plan.validation` would refuse."""
        return gang_of(self.accelerator)

    @property
    def first_host(self) -> str:
        """The DNS name of host 0: `lwm_trainer.config.Gang.address(0)`."""
        return f"{slice_name(self.name, 0, self.gang.slices)}-0.{self.training.metadata.name}"

    @property
    def name(self) -> str:
        return names.job_name(self.training.metadata.name, self.stage, self.attempt)

    @property
    def labels(self) -> dict[str, str]:
        return names.labels(self.training.metadata.name, self.training.metadata.uid, self.stage, self.attempt)


def owner(training: Training) -> Manifest:
    """The controller reference, so that garbage collection deletes the object with its training.

    It blocks the owner's deletion, as that of a Job on its pods does: a deletion with `--cascade=foreground` waits until no pod is left.
    """
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": training.metadata.name,
        "uid": training.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(training: Training, name: str, labels: dict[str, str]) -> Manifest:
    return {"name": name, "namespace": training.metadata.namespace, "labels": labels, "ownerReferences": [owner(training)]}
