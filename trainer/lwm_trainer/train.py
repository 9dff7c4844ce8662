"""One attempt of one stage, top to bottom."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from lwm_trainer import config
from lwm_trainer.checkpoint.checkpointer import Saver, restore_all, restore_params
from lwm_trainer.checkpoint.data_identity import accepted_at, require_equal_on_hosts
from lwm_trainer.checkpoint.init_from import require_init_checkpoint
from lwm_trainer.checkpoint.lineage import Origin, agree_on_origin, report_origin
from lwm_trainer.checkpoint.save_schedule import SaveSchedule
from lwm_trainer.checkpoint.training_record import MODALITIES, Record
from lwm_trainer.config import Phase
from lwm_trainer.data.documents.identity import identify
from lwm_trainer.data.documents.in_memory import InMemoryDocuments, load_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.gate import GateSuites, require_gate
from lwm_trainer.parallel.distributed import barrier, decision_of_process_0
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.report.stage_end import write_stage_report
from lwm_trainer.ring.ring_ulysses_split import resolve_mesh
from lwm_trainer.runtime import console, sigterm
from lwm_trainer.runtime.data_wait import DataWait
from lwm_trainer.runtime.device_memory import device_memory
from lwm_trainer.runtime.errors import DivergedError
from lwm_trainer.runtime.metrics import Metrics
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.runtime.progress import ProgressReporter
from lwm_trainer.runtime.step_report import StepReport, print_step_line, print_validation_line
from lwm_trainer.step import fingerprint
from lwm_trainer.step.batch import Batch, abstract_batch
from lwm_trainer.step.global_batch import GlobalBatches
from lwm_trainer.step.train_step import State, TrainProgram, make_program
from lwm_trainer.step.validation_step import ValidationStep
from lwm_trainer.storage.write_probe import require_writable
from lwm_trainer.tracking.peak_flops import peak_flops
from lwm_trainer.tracking.profiler import Profiler
from lwm_trainer.tracking.requirements import require_trackers
from lwm_trainer.tracking.start import start_feed
from lwm_trainer.tracking.utilization import Utilization
from lwm_trainer.validate import Validation, compile_validation, mean_loss


def train(run: config.RunConfig, tracker: PhaseTracker, reporter: ProgressReporter | None) -> config.FinalReport:
    """Run the stage to its last step and commit that. The process must have joined the gang.

    Only process 0 has a `reporter`, metrics and step lines; every process has a `tracker`. Raises the errors of `runtime.errors`,
    `data.errors` and `storage.errors`, `sigterm.SavedOnRequest`, and JaxRuntimeError when a peer is lost.
    """
    mesh, explanation = resolve_mesh(run)
    if jax.process_index() == 0:
        console.say(explanation)
        require_trackers(run)
        require_writable(run.attempt_folder())
        require_init_checkpoint(run)

    tracker.enter(Phase.COMPILING)
    device_mesh = make_mesh(mesh)
    program = make_program(run, device_mesh)
    pool = ThreadPoolExecutor(2, "prepare")
    compiled: Future[_Compiled] = pool.submit(_compile, run, program, device_mesh)
    data: Future[_LoadedData] = pool.submit(_load, run)
    for ready in as_completed((compiled, data)):
        ready.result()  # missing data ends the stage at once, however long the compiler still takes
        if ready is compiled:
            tracker.enter(Phase.LOADING_DATA)
    (train_step, validation_step), loaded = compiled.result(), data.result()
    validation = None
    if run.validation is not None and validation_step is not None:
        validation = Validation(run, run.validation, mesh, program, validation_step, loaded.held_out)

    if jax.process_index() == 0:
        console.say("\n".join([*loaded.batches.summaries, *(validation.summaries if validation is not None else ())]))
    tracker.enter(Phase.RESTORING)
    barrier("compiled")
    require_equal_on_hosts(loaded.data)
    origin = agree_on_origin(run)
    if jax.process_index() == 0:
        report_origin(run, origin)
    state, record, identity = _start(run, program, origin, loaded)
    saver = Saver(run, mesh, loaded.tokenizer_sha256, origin.step, identity)
    feed = GlobalBatches(run, mesh, loaded.batches, program.batch_sharding)
    tracker.resumed(origin.step)
    if reporter is not None:
        reporter.resumed(origin.step, accepted_at(origin.step, identity), next(iter(origin.damaged), None))

    barrier("restored")
    tracker.enter(Phase.TRAINING)
    observer = StepObserver(run, tracker, reporter, record, feed, origin.step)
    profiler = Profiler(run, observer.flush, reporter.profiled) if reporter is not None else None
    schedule = SaveSchedule(run.checkpoint, decision_of_process_0)

    checks = sigterm.StopChecks()

    def owed(done: int) -> Validation | None:
        """The validation, where it is due after `done` steps and the record does not have it yet."""
        return validation if validation is not None and validation.due(done) and not record.validated(done) else None

    def is_interrupted(validation: Validation, done: int) -> bool:
        """Validate after `done` steps; whether SIGTERM has interrupted that, so that the next attempt makes up for it."""
        observer.flush()  # a diverged state is not validated
        losses = validation.run(done, state["params"], tracker, checks.stop_requested)
        if losses is not None:
            observer.validated(losses)
        return losses is None

    try:
        # An attempt that was stopped had no time for it.
        if (made_up := owed(origin.step)) is not None and is_interrupted(made_up, origin.step):
            raise sigterm.SavedOnRequest(f"SIGTERM: step {origin.step} is saved")
        for step in range(origin.step, run.steps):
            if profiler is not None:
                profiler.before(step + 1)
            batch = observer.batch(step)
            tracker.dispatching(step)
            state, step_metrics = train_step(state, batch)
            observer.dispatched(step, step_metrics)
            done = step + 1
            if profiler is not None:
                profiler.after(done)
            last = done == run.steps
            next_validation = owed(done)
            stopping = checks.stop_requested() and (not last or next_validation is not None)  # after all its work the stage is complete
            due = schedule.due(done)
            if next_validation is not None and not stopping:  # a state is saved only with its validation, unless it stops
                stopping = is_interrupted(next_validation, done)
            if stopping or last or due:
                observer.flush()  # a state is saved only after its loss has been read
                with observer.saving():
                    observer.committed(saver.wait())
                    saver.save(done, state, record)
            if stopping:
                tracker.enter(Phase.SAVING)
                observer.committed(saver.wait())
                saver.finish_checksums()
                observer.close()
                raise sigterm.SavedOnRequest(f"SIGTERM: step {done} is saved")
            observer.committed(saver.newly_committed())
    except DivergedError:
        tracker.enter(Phase.SAVING)
        observer.committed(saver.wait())  # a save in progress is from before the divergence: a rollback may need it
        observer.close()
        raise

    tracker.enter(Phase.SAVING)
    # An earlier attempt may have committed the last step and died before it could report that.
    committed_before = origin.step == run.steps
    folder = str(origin.checkpoint) if committed_before else config.step_folder(run.attempt_folder(), run.steps)
    state_hash = fingerprint.to_hex(program.state_hash(state))
    observer.committed(saver.wait())
    saver.close()
    observer.close()
    losses = record.validated(run.steps)
    scores: tuple[config.SuiteScore, ...] = ()
    if loaded.gate.suites:
        tracker.enter(Phase.EVALUATING)
        jax.tree.map(lambda array: array.delete(), state["optimizer"])  # the cache needs the memory
        scores = loaded.gate.ask(device_mesh, state["params"], folder, tracker, reporter.evaluated if reporter is not None else None)
    if jax.process_index() == 0:
        _report(run, folder, record, loaded.gate)
    if run.gate is not None:
        barrier("reported")  # the end of a peer would end process 0 while it writes
    require_gate(run, losses, scores)
    final = config.FinalReport(
        checkpoint=folder,
        step=run.steps,
        state_hash=state_hash,
        record_hash=record.hash(),
        loss=float(record.losses[-1]),
        validation_loss=mean_loss(losses) if losses else None,
        suites=scores,
    )
    if reporter is not None:
        reporter.final(final)
    tracker.enter(Phase.COMPLETE)
    return final


def _report(run: config.RunConfig, checkpoint: str, record: Record, gate: GateSuites) -> None:
    """Write the stage's report. A stage is complete without it, so that what goes wrong is printed and nothing more."""
    try:
        console.say(f"report: {write_stage_report(run.attempt_folder(), checkpoint, record, gate.results)}")
    except Exception as error:
        console.warn(f"the report beside the checkpoint is missing ({type(error).__name__}: {error}): lwm report {checkpoint} makes it")


@dataclass(frozen=True, slots=True)
class _LoadedData:
    batches: Batches
    tokenizer_sha256: str
    data: config.DataIdentity
    held_out: dict[str, InMemoryDocuments | TokenStore]
    """The data sets of the validation, by name."""
    gate: GateSuites


_Compiled = tuple[Any, ValidationStep | None]
"""The step and, where the stage is validated, the validation's."""


def _compile(run: config.RunConfig, program: TrainProgram, device_mesh: jax.sharding.Mesh) -> _Compiled:
    validation = compile_validation(run, device_mesh, program) if run.validation is not None else None
    step = program.train_step.lower(program.abstract_state, abstract_batch(run, program.batch_sharding)).compile()  # type: ignore[attr-defined]
    return step, validation


def _load(run: config.RunConfig) -> _LoadedData:
    tokenizer = Tokenizer.load(run.tokenizer, run.model.vocab_size)
    documents = load_documents(run, tokenizer)
    data = {dataset.name: identify(dataset, documents[dataset.name], tokenizer) for dataset in run.datasets}
    held_out = load_documents(run.model_copy(update={"datasets": run.validation.datasets}), tokenizer) if run.validation is not None else {}
    return _LoadedData(Batches(run, documents), tokenizer.sha256, data, held_out, GateSuites(run, tokenizer))


def _start(run: config.RunConfig, program: TrainProgram, origin: Origin, loaded: _LoadedData) -> tuple[State, Record, config.DataIdentity]:
    """State and record at the origin: drawn from the seed, another stage's parameters and all else fresh, or all of an earlier attempt.

    The third is the identity of the data with the changes that the stage has accepted.
    """
    empty = Record.empty_of(run)
    match origin:
        case Origin(kind="attempt", checkpoint=str(folder), step=step):
            return restore_all(run, loaded.tokenizer_sha256, folder, step, program.abstract_state, loaded.data)
        case Origin(kind="stage", checkpoint=str(folder)):
            params = restore_params(run, loaded.tokenizer_sha256, folder, program.abstract_state["params"])
            return program.fresh_state(params), empty, loaded.data
        case _:
            return program.init(jax.random.key(run.seed)), empty, loaded.data


class StepObserver:
    """Fetches a step's numbers once the next step is dispatched, so that the devices never wait for the host, and reports them."""

    def __init__(
        self,
        run: config.RunConfig,
        tracker: PhaseTracker,
        reporter: ProgressReporter | None,
        record: Record,
        feed: GlobalBatches,
        done: int,
    ) -> None:
        """`done`: the steps done before this attempt."""
        self._tracker, self._reporter, self._record, self._feed = tracker, reporter, record, feed
        self._positions = run.batch_tokens
        self._utilization = Utilization(run, peak_flops(jax.local_devices()[0].device_kind))
        self._data_wait, self._save_seconds, self._save_began = DataWait(), 0.0, 0.0
        self._tokens_seen = feed.tokens_seen(done)
        self._metrics = Metrics(run.training, run.stage, run.metrics_port) if reporter is not None else None
        self._trackers = start_feed(run, record, done, self._metrics.tracker_failed) if self._metrics is not None else None
        self._pending: tuple[int, Any, float] | None = None
        """The dispatched step, its metrics, and how long the devices waited for its batch."""
        self._clock = time.monotonic()

    def batch(self, step: int) -> Batch:
        """The batch of step `step` (from 0)."""
        with self._data_wait.making_batch():
            return self._feed.batch(step)

    def dispatched(self, step: int, step_metrics: Any) -> None:
        """Step `step` (from 0) runs on the devices; report the one before it."""
        earlier, self._pending = self._pending, (step, step_metrics, self._data_wait.seconds)
        self._data_wait.dispatched(step_metrics["loss"])
        if earlier is not None:
            self._observe(*earlier)

    def flush(self) -> None:
        """Wait for the last dispatched step and report it."""
        if self._pending is not None:
            self._observe(*self._pending)
            self._pending = None

    @contextmanager
    def saving(self) -> Iterator[None]:
        """While training waits for a save, which belongs to no step's time."""
        began = time.monotonic()
        with self._tracker.during(Phase.SAVING):
            yield
        self._save_began, self._clock = began, time.monotonic()
        self._save_seconds += self._clock - began
        if self._metrics is not None:
            self._metrics.saved(self._clock - began)

    def validated(self, losses: list[config.ValidationLoss]) -> None:
        """Enter the losses of a validation in the record, and report them."""
        self._record.validations += losses
        self._clock = time.monotonic()  # the next step's time does not include it
        if self._reporter is not None and self._metrics is not None:
            self._reporter.validated(mean_loss(losses))
            self._metrics.validated(losses)
            for each in losses:
                print_validation_line(each)

    def committed(self, step: int | None) -> None:
        """Report the checkpoint of `step`; None: nothing has been committed."""
        if step is not None and self._reporter is not None and self._metrics is not None:
            self._reporter.committed(step)
            self._metrics.committed(step, time.monotonic() - self._save_began)
        if step is not None and self._trackers is not None:
            self._trackers.committed(step)

    def close(self) -> None:
        """Hand over to the trackers what is committed; waits some seconds at most."""
        if self._trackers is not None:
            self._trackers.close()

    def _observe(self, step: int, step_metrics: Any, data_wait_seconds: float) -> None:
        """Raises DivergedError after the step is entered in the record."""
        report = self._report(step, step_metrics, data_wait_seconds)
        self._record.add(report)
        if report.diverged:
            loss, grad_norm = np.float32(report.loss), np.float32(report.grad_norm)
            raise DivergedError(
                f"step {report.step}: loss {loss}, gradient norm {grad_norm}: lower optimizer.peakLearningRate or clipNorm", step=step
            )
        self._tracker.step(report.step, report.seconds, report.data_wait_seconds)
        if self._reporter is not None and self._metrics is not None:
            self._reporter.step(report)
            self._metrics.step(report)
            self._metrics.spent(self._tracker.snapshot().time_spent)
            print_step_line(report)

    def _report(self, step: int, step_metrics: Any, data_wait_seconds: float) -> StepReport:
        """Wait for the step's numbers."""
        loss, grad_norm, param_norm = (float(step_metrics[name]) for name in ("loss", "grad_norm", "param_norm"))
        modality_losses = {name: float(step_metrics[f"{name}_loss"]) for name in MODALITIES if f"{name}_loss" in step_metrics}
        now = time.monotonic()
        seconds, self._clock = now - self._clock, now
        tokens = self._feed.tokens(step)
        self._tokens_seen += tokens
        save_seconds, self._save_seconds = self._save_seconds, 0.0
        return StepReport(
            step=step + 1,
            loss=loss,
            grad_norm=grad_norm,
            param_norm=param_norm,
            tokens_hash=int(step_metrics["tokens_hash"]),
            modality_losses=modality_losses,
            skipped=bool(step_metrics["skipped"]) if "skipped" in step_metrics else None,
            seconds=seconds,
            data_wait_seconds=data_wait_seconds,
            save_seconds=save_seconds,
            batch_tokens=tokens,
            batch_positions=self._positions,
            tokens_seen=self._tokens_seen,
            memory=device_memory(jax.local_devices()),
            mfu=self._utilization.of_step(seconds),
            finished_at=time.time(),
        )
