"""The run config of one attempt of one stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lwm_trainer.config.contract import Contract, VersionedRecord
from lwm_trainer.config.dataset import Dataset
from lwm_trainer.config.gang import Gang, Hang, Lease
from lwm_trainer.config.gate import Gate
from lwm_trainer.config.loss import Loss
from lwm_trainer.config.memory import Memory
from lwm_trainer.config.mesh import Mesh
from lwm_trainer.config.model import Model
from lwm_trainer.config.names import METRICS_PORT
from lwm_trainer.config.optimizer import Optimizer
from lwm_trainer.config.precision import Precision
from lwm_trainer.config.start import Start
from lwm_trainer.config.trackers import Trackers
from lwm_trainer.config.validation import Validation
from lwm_trainer.config.violations import Violation, optimizer_violations, violations

Packing = Literal["mixed", "bucketed"]


class Checkpoint(Contract):
    root: str
    """Folder of the training's checkpoints: `<checkpoint.uri>/<namespace>/<name>-<uid8>`."""
    save_interval_steps: Annotated[int, Field(ge=1)]
    save_interval_minutes: Annotated[int, Field(ge=1)] | None = None
    """Minutes after the beginning of the last save after which the state is saved, too, by the clock of process 0."""
    max_to_keep: Annotated[int, Field(ge=1)] = 2


class RunConfig(VersionedRecord):
    """The run config of one attempt of one stage. The operator mounts it at `CONFIG_PATH`."""

    training: str
    stage: str
    stage_index: Annotated[int, Field(ge=0)]
    stage_count: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    gang: Gang
    mesh: Mesh
    model: Model
    precision: Precision = Precision()
    tokenizer: str
    """`gs://` or absolute path of a `tokenizer.json`."""
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)]
    context_length: Annotated[int, Field(ge=8)]
    batch_tokens: Annotated[int, Field(ge=8)]
    packing: Packing = "mixed"
    """Documents that may share a row: see `packing` of a stage."""
    rope_theta: Annotated[float, Field(gt=1)]
    steps: Annotated[int, Field(ge=1)]
    optimizer: Optimizer = Optimizer()
    loss: Loss = Loss()
    memory: Memory = Memory()
    validation: Validation | None = None
    gate: Gate | None = None
    checkpoint: Checkpoint
    start: Start = Start()
    hang: Hang = Hang()
    trackers: Trackers = Trackers()
    profile_steps: tuple[int, ...] = ()
    """Steps of the stage, from 1, that process 0 traces."""
    compile_cache: str | None = None
    lease: Lease | None = None
    """Lease for progress reports; None outside Kubernetes, where progress is only printed."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = METRICS_PORT
    """Port of process 0's metrics. 0: none."""

    @property
    def rows(self) -> int:
        """Rows of `context_length` tokens in a step's global batch."""
        return self.batch_tokens // self.context_length

    @property
    def stage_folder(self) -> str:
        return f"{self.checkpoint.root}/s{self.stage_index + 1}-{self.stage}"

    def attempt_folder(self, attempt: int | None = None) -> str:
        return f"{self.stage_folder}/a{self.attempt if attempt is None else attempt}"

    def violations(self) -> list[Violation]:
        """Violations of the run. Only a copy with unvalidated changes can have any."""
        stage = violations(
            model=self.model,
            mesh=self.mesh,
            devices=self.gang.hosts * self.gang.devices_per_host,
            slices=self.gang.slices,
            context_length=self.context_length,
            batch_tokens=self.batch_tokens,
            memory=self.memory,
        )
        return [*stage, *optimizer_violations(self.optimizer, self.steps)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for problem in self.violations():
            raise ValueError(f"{problem.field}: {problem.message}")
        return self
