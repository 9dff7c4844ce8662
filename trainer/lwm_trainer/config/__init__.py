"""The contract between the operator and the trainer.

Everything that the two must agree on stands here and nowhere else: the run config of one attempt of one stage (what the operator
mounts as a file), the exit codes (what the trainer leaves with), the progress report (what process 0 writes on its Lease and in its
termination message), and the names of files and variables. The operator imports this package and nothing else of the trainer, so it
needs pydantic and the standard library only.
"""

from lwm_trainer.config.contract import CONTRACT_VERSION, OLDEST_CONTRACT_VERSION, Contract, ContractError, VersionedRecord
from lwm_trainer.config.data_identity import AcceptedChange, DataIdentity, DatasetIdentity
from lwm_trainer.config.dataset import QA_VERSION, Chat, ContentHash, Dataset, Documents, Frames, Kind, Media, OnBadRecord
from lwm_trainer.config.exit_codes import FATAL_EXIT_CODES, SECONDARY_EXIT_CODES, ErrorReason, ExitCode
from lwm_trainer.config.gang import Gang, Hang, Lease
from lwm_trainer.config.gate import (
    GATE_ANSWER_TOKENS,
    GATE_TASKS,
    RULER_TEXT_TASKS,
    Gate,
    GateAnswers,
    GateSuite,
    GateSuiteName,
    Haystack,
    SuiteScore,
)
from lwm_trainer.config.loss import Loss, Modalities
from lwm_trainer.config.memory import Memory, Remat
from lwm_trainer.config.mesh import Mesh, key_head_copies, ulysses_degrees
from lwm_trainer.config.model import Model, RopeScaling, Vision
from lwm_trainer.config.names import (
    CONFIG_PATH,
    COORDINATOR_PORT,
    HIDDEN_VARIABLES,
    METRICS_PORT,
    ORIGIN_FILE,
    PROCESS_INDEX_VARIABLE,
    PROGRESS_ANNOTATION,
    PROGRESS_SECONDS,
    RENDEZVOUS_SECONDS,
    REPORT_VARIABLE,
    SLICE_VARIABLE,
    START_LINE_PREFIX,
    STEP_LINE_PREFIX,
    TERMINATION_PATH,
    slice_name,
    step_folder,
)
from lwm_trainer.config.optimizer import Optimizer, SkipSpikes
from lwm_trainer.config.precision import MatmulPrecision, NumberType, Precision, RotaryAngles
from lwm_trainer.config.preparation import Preparation, PrepareConfig, Prepared
from lwm_trainer.config.progress import FinalReport, Phase, Progress, TerminationMessage, TimeSpent
from lwm_trainer.config.questions import FRAME_TOKENS, PAIR_TOKENS, Endpoint, Questions
from lwm_trainer.config.run import Checkpoint, Packing, RunConfig
from lwm_trainer.config.start import Rollback, Start
from lwm_trainer.config.theta import FITTED_HEAD_DIM, least_theta
from lwm_trainer.config.trackers import SECRET_VARIABLES, Mlflow, Trackers, Wandb
from lwm_trainer.config.validation import MAX_VALIDATIONS, PositionLoss, Validation, ValidationLoss
from lwm_trainer.config.violations import Violation, optimizer_violations, violations

__all__ = [
    "CONFIG_PATH",
    "CONTRACT_VERSION",
    "COORDINATOR_PORT",
    "FATAL_EXIT_CODES",
    "FITTED_HEAD_DIM",
    "FRAME_TOKENS",
    "GATE_ANSWER_TOKENS",
    "GATE_TASKS",
    "HIDDEN_VARIABLES",
    "MAX_VALIDATIONS",
    "METRICS_PORT",
    "OLDEST_CONTRACT_VERSION",
    "ORIGIN_FILE",
    "PAIR_TOKENS",
    "PROCESS_INDEX_VARIABLE",
    "PROGRESS_ANNOTATION",
    "PROGRESS_SECONDS",
    "QA_VERSION",
    "RENDEZVOUS_SECONDS",
    "REPORT_VARIABLE",
    "RULER_TEXT_TASKS",
    "SECONDARY_EXIT_CODES",
    "SECRET_VARIABLES",
    "SLICE_VARIABLE",
    "START_LINE_PREFIX",
    "STEP_LINE_PREFIX",
    "TERMINATION_PATH",
    "AcceptedChange",
    "Chat",
    "Checkpoint",
    "ContentHash",
    "Contract",
    "ContractError",
    "DataIdentity",
    "Dataset",
    "DatasetIdentity",
    "Documents",
    "Endpoint",
    "ErrorReason",
    "ExitCode",
    "FinalReport",
    "Frames",
    "Gang",
    "Gate",
    "GateAnswers",
    "GateSuite",
    "GateSuiteName",
    "Hang",
    "Haystack",
    "Kind",
    "Lease",
    "Loss",
    "MatmulPrecision",
    "Media",
    "Memory",
    "Mesh",
    "Mlflow",
    "Modalities",
    "Model",
    "NumberType",
    "OnBadRecord",
    "Optimizer",
    "Packing",
    "Phase",
    "PositionLoss",
    "Precision",
    "Preparation",
    "PrepareConfig",
    "Prepared",
    "Progress",
    "Questions",
    "Remat",
    "Rollback",
    "RopeScaling",
    "RotaryAngles",
    "RunConfig",
    "SkipSpikes",
    "Start",
    "SuiteScore",
    "TerminationMessage",
    "TimeSpent",
    "Trackers",
    "Validation",
    "ValidationLoss",
    "VersionedRecord",
    "Violation",
    "Vision",
    "Wandb",
    "key_head_copies",
    "least_theta",
    "optimizer_violations",
    "slice_name",
    "step_folder",
    "ulysses_degrees",
    "violations",
]
