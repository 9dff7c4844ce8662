"""A simulated cluster with one training, and everybody who acts on it. Its time passes only when it is told to."""

from collections import Counter
from datetime import datetime

from lwm_operator.api.training import Training
from lwm_operator.plan.actions import CreateAttempt, Plan
from lwm_operator.plan.observed import JobView, Observed, PodView
from simulation.api_server import ApiServer
from simulation.environment import Environment
from simulation.job_controller import JobController
from simulation.operator_passes import OperatorPasses
from simulation.preparations import Preparations
from simulation.queue import Queue
from simulation.state import ClusterState
from simulation.trainers import Trainers


class Simulation:
    """The parts of the cluster, which share one state; the most used of their methods are methods here."""

    def __init__(self, training: Training) -> None:
        self.state = ClusterState(training=training)
        self.job_controller = JobController(self.state)
        self.preparations = Preparations(self.state)
        self.queue = Queue(self.state, self.job_controller, self.preparations)
        self.trainers = Trainers(self.state)
        self.environment = Environment(self.state, self.job_controller, self.trainers)
        self.operator = OperatorPasses(self.state, ApiServer(self.state, self.job_controller, self.preparations))

    @property
    def training(self) -> Training:
        return self.state.training

    @property
    def now(self) -> datetime:
        return self.state.now

    @property
    def jobs(self) -> dict[str, JobView]:
        return self.state.jobs

    @property
    def pods(self) -> dict[str, PodView]:
        return self.state.pods

    @property
    def created(self) -> list[CreateAttempt]:
        return self.state.created

    @property
    def coverage(self) -> Counter[str]:
        return self.state.coverage

    def observed(self) -> Observed:
        return self.state.observed()

    def plan(self) -> Plan:
        return self.operator.plan()

    def reconcile(self, *, crash_before_actions: bool = False) -> Plan:
        """The operator plans, writes the status and acts, or dies before it acts."""
        return self.operator.crash(1) if crash_before_actions else self.operator.reconcile()

    def edit(self, **changes: object) -> None:
        """A user changes the spec."""
        self.state.edit(**changes)

    def wait(self, seconds: float) -> None:
        self.environment.wait(seconds)

    def start(self) -> None:
        """Pods get nodes and run."""
        self.environment.start()

    def terminate_deleted(self) -> None:
        """The processes of deleted pods end."""
        self.environment.terminate_deleted()

    def train(self, steps: int, *, commit: bool) -> None:
        self.trainers.train(steps, commit=commit)

    def fail(self, index: int, code: int, reason: str = "Error") -> None:
        """The host with this index fails."""
        self.trainers.fail(index, code, reason)

    def finish(self) -> None:
        """All hosts exit with 0, if the last step is committed."""
        self.trainers.finish()
