"""The trainers of a simulated cluster: they begin, train, report, save and exit. A move does nothing where it cannot happen."""

from dataclasses import replace

from lwm_operator.plan.observed import PodState, PodView
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import ExitCode, FinalReport, Phase, Progress, TerminationMessage
from simulation.fake_bucket import Gang
from simulation.state import ClusterState
from simulation.version_skew import as_read

DEADLINE_SECONDS = 300


class Trainers:
    def __init__(self, state: ClusterState) -> None:
        self.state = state

    def train(self, steps: int, *, commit: bool) -> None:
        """The newest gang trains, if all its hosts are alive, and reports it."""
        if (gang := self.state.newest_gang) is not None:
            self._train(gang, steps, commit=commit)

    def train_zombies(self, steps: int) -> None:
        """Superseded gangs that still run in full train on, and commit."""
        newest = self.state.newest_gang
        for gang in self.state.gangs:
            if gang is not newest and gang.whole:
                self._train(gang, steps, commit=True)

    def _train(self, gang: Gang, steps: int, *, commit: bool) -> None:
        if not gang.whole or gang.hung:
            return
        if not gang.begun and (missing := [place for name, place in gang.prepared if name in self.state.lost_datasets]):
            self._miss_data(gang, missing[0])
            return
        if not gang.begun and self.state.bucket.folder(gang.number).commits:
            self._leave_folder_to_its_owner(gang)
            return
        if not gang.begun:
            gang.begin(self.state.bucket)
        before, gang.phase = gang.step, Phase.TRAINING
        gang.advance(steps)
        if gang.step > before and (commit or gang.step == gang.total):
            gang.commit(self.state.bucket)
        self.report(gang)

    def _leave_folder_to_its_owner(self, gang: Gang) -> None:
        """As `lwm_trainer.checkpoint.lineage.agree_on_origin`: other processes have committed for this attempt."""
        for pod in [pod for pod in self.state.pods.values() if self.state.gang_by_pod[pod.uid] is gang]:
            message = TerminationMessage(code=81, reason="SavedOnRequest", message="it has committed before", step=0)
            self.exit(pod, 81 if pod.index == 0 else 79, termination_message=message if pod.index == 0 else None)

    def _miss_data(self, gang: Gang, place: str) -> None:
        """As `lwm_trainer.data.documents.store.TokenStore`: every host finds that the folder of a prepared data set is gone."""
        message = TerminationMessage(code=65, reason="DataMissing", message=f"{place}: the token store is missing or incomplete")
        for pod in self.state.newest_pods:
            self.exit(pod, ExitCode.BAD_DATA, termination_message=message)

    def enter_phase(self, phase: Phase) -> None:
        """The newest gang does something else than training."""
        gang = self.state.newest_gang
        if gang is not None and gang.whole and (gang.begun or phase not in (Phase.TRAINING, Phase.SAVING)):
            gang.phase = phase
            self.report(gang)

    def hang(self) -> None:
        if (gang := self.state.newest_gang) is not None and gang.whole:
            gang.hung = True

    def fire_watchdogs(self, behind: int | None) -> None:
        """The watchdogs of all hosts of a whole gang end them at one step; the host `behind` is a step behind the others."""
        gang = self.state.newest_gang
        if gang is None or not gang.whole or not gang.begun:
            return
        if behind is None:
            self.state.hung_together.add(gang.number)
        for pod in self.state.newest_pods:
            step = gang.step + (pod.index != behind)
            self.exit(pod, ExitCode.HANG, termination_message=TerminationMessage(code=76, reason="Hang", message="no step", step=step))

    def silence(self) -> None:
        """Process 0 of the newest gang no longer reaches the API server."""
        if (gang := self.state.newest_gang) is not None and 0 in gang.alive:
            gang.silent = True

    def recover(self) -> None:
        """The newest gang neither hangs nor is silent any longer."""
        if (gang := self.state.newest_gang) is not None:
            gang.silent = gang.hung = False
            gang.idle = 0
            if gang.begun:
                self.report(gang)

    def report(self, gang: Gang, final: FinalReport | None = None) -> None:
        """Process 0 renews its Lease, if the Lease exists and the process reaches it."""
        if gang.silent or 0 not in gang.alive or gang.number not in self.state.leases:
            return
        progress = Progress(
            attempt=gang.attempt,
            phase=gang.phase,
            phase_deadline_seconds=DEADLINE_SECONDS,
            idle_seconds=gang.idle,
            steps=gang.total,
            step=gang.step,
            loss=5.0 - gang.step / 100 if gang.step else None,
            tokens_per_second=4210.0 if gang.step else None,
            step_seconds=1.0 if gang.step else None,
            resumed_from=gang.resumed_from,
            committed_step=gang.committed,
            final=final,
        )
        self.state.reports[gang.number] = as_read(progress, self.state.trainer_skew)
        self.state.coverage[f"trainer {self.state.trainer_skew}"] += 1
        self.state.renewed[gang.number] = stamp(self.state.clock)

    def finish(self, *, mute: bool = False) -> None:
        """All hosts exit with 0, if the last step is committed. `mute` means that nobody receives their reports."""
        gang = self.state.newest_gang
        if gang is None or not gang.whole or not gang.begun or gang.hung:
            return
        commit = self.state.bucket.folder(gang.number).commits.get(gang.total)
        if commit is None and gang.step == gang.total == gang.resumed_from:
            commit = gang.commit(self.state.bucket)
        if commit is None or gang.step < gang.total:
            return
        final = FinalReport(
            checkpoint=commit.path, step=commit.step, state_hash=f"{commit.state:x}", record_hash=f"{hash(commit.batches):x}"
        )
        gang.phase = Phase.COMPLETE
        message = None if mute else TerminationMessage(code=0, reason="Complete", step=gang.step, final=final)
        if not mute:
            self.report(gang, final)
        for pod in self.state.newest_pods:
            self.exit(pod, 0, termination_message=message)

    def exit(self, pod: PodView, code: int, reason: str = "Error", termination_message: TerminationMessage | None = None) -> None:
        """A process exits; where its node is not ready, the API server does not learn of it."""
        gang = self.state.gang_by_pod[pod.uid]
        if not pod.live or pod.index not in gang.alive:
            return
        gang.alive.discard(pod.index)
        if pod.node not in self.state.lost_nodes:
            state = PodState.SUCCEEDED if code == 0 else PodState.FAILED
            reason = "Completed" if code == 0 else pod.reason or reason
            termination_message = as_read(termination_message, self.state.trainer_skew) if termination_message is not None else None
            self.state.coverage[f"sidecar outlives a trainer that {'ends well' if code == 0 else 'fails'}"] += self.state.sidecars
            self.state.pods[pod.name] = replace(
                pod,
                state=state,
                exit_code=code,
                reason=reason,
                termination_message=termination_message,
                sidecars_run=self.state.sidecars,
            )

    def fail(self, index: int, code: int, reason: str = "Error", termination_message: TerminationMessage | None = None) -> None:
        """One host fails; its peers live on for the moment."""
        for pod in self.state.newest_pods:
            if pod.index == index:
                self.exit(pod, code, reason, termination_message)

    def save_and_exit(self, gang: Gang) -> None:
        """SIGTERM has reached one process: a whole gang saves at the same step and exits; of any other, the deleted pods just end."""
        saved = gang.whole and gang.begun and not gang.hung
        if saved and gang.step > gang.resumed_from:
            gang.commit(self.state.bucket)
            self.report(gang)
        message = TerminationMessage(code=81, reason="SavedOnRequest", message=f"saved step {gang.step}", step=gang.step) if saved else None
        pods = [pod for pod in self.state.pods.values() if self.state.gang_by_pod[pod.uid] is gang]
        for pod in [pod for pod in pods if pod.node not in self.state.lost_nodes]:
            if saved:
                self.exit(pod, ExitCode.SAVED_ON_REQUEST, termination_message=message)
            elif pod.deleting:
                self.exit(pod, 143)

    def lose_peers(self, code: int) -> None:
        """The processes of broken gangs notice that a peer is gone, and exit with this code."""
        for pod in list(self.state.pods.values()):
            gang = self.state.gang_by_pod[pod.uid]
            connected = gang.begun or gang.phase != Phase.RENDEZVOUS
            if pod.index in gang.alive and not gang.whole and pod.state == PodState.RUNNING and connected:
                self.exit(
                    pod, code, termination_message=TerminationMessage(code=79, reason="PeerLost", step=gang.step) if code == 79 else None
                )
