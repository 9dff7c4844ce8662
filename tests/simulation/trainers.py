"""What trainers do by themselves: begin, train, report, save, end. Each move does nothing where it cannot happen."""

from dataclasses import replace

from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import ExitCode, FinalReport, Phase, Progress, TerminationMessage
from simulation.fake_bucket import Gang
from simulation.kubernetes import Kubernetes

DEADLINE_SECONDS = 300


class Trainers(Kubernetes):
    def newest(self) -> JobView | None:
        return max(self.jobs.values(), key=lambda job: (job.stage, job.attempt), default=None)

    def gang(self) -> list[PodView]:
        """The pods of the newest Job."""
        job = self.newest()
        return [] if job is None else [pod for pod in self.pods.values() if (pod.stage, pod.attempt) == (job.stage, job.attempt)]

    def crew(self) -> Gang | None:
        """The processes of the newest Job."""
        job = self.newest()
        return None if job is None else self.gangs[job.uid]

    def others(self) -> list[Gang]:
        """Gangs that are not the newest Job's and still run in full: zombies."""
        crew = self.crew()
        return [gang for gang in self.crews if gang is not crew and gang.whole]

    def train(self, steps: int, *, commit: bool) -> None:
        """The newest gang goes on, if it is whole, and tells of it."""
        if (gang := self.crew()) is not None:
            self._train(gang, steps, commit=commit)

    def train_zombies(self, steps: int) -> None:
        """Superseded gangs that nobody has told go on, and commit."""
        for gang in self.others():
            self._train(gang, steps, commit=True)

    def _train(self, gang: Gang, steps: int, *, commit: bool) -> None:
        if not gang.whole or gang.hung:
            return
        if not gang.begun and self.bucket.folder(gang.number).commits:
            self._leave_to_the_next(gang)
            return
        if not gang.begun:
            gang.begin(self.bucket)
        before, gang.phase = gang.step, Phase.TRAINING
        gang.advance(steps)
        if gang.step > before and (commit or gang.step == gang.total):
            gang.commit(self.bucket)
        self.report(gang)

    def _leave_to_the_next(self, gang: Gang) -> None:
        """As `lwm_trainer.checkpoint.lineage.settle_origin`: other processes have committed for this attempt."""
        for pod in [pod for pod in self.pods.values() if self.members[pod.uid] is gang]:
            first = TerminationMessage(code=81, reason="SavedOnRequest", message="it has committed before", step=0)
            self.exit(pod, 81 if pod.index == 0 else 79, words=first if pod.index == 0 else None)

    def prepare(self, phase: Phase) -> None:
        """The newest gang does something else than training."""
        gang = self.crew()
        if gang is not None and gang.whole and (gang.begun or phase not in (Phase.TRAINING, Phase.SAVING)):
            gang.phase = phase
            self.report(gang)

    def report(self, gang: Gang, final: FinalReport | None = None) -> None:
        """Process 0 renews its Lease, if the Lease is there and it reaches it."""
        if gang.silent or 0 not in gang.alive or gang.number not in self.leases:
            return
        self.reports[gang.number] = Progress(
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
        self.renewed[gang.number] = stamp(self.clock)

    def finish(self, *, mute: bool = False) -> None:
        """All hosts leave with 0, if the last step is committed. `mute`: and nobody hears of it."""
        gang = self.crew()
        if gang is None or not gang.whole or not gang.begun or gang.hung:
            return
        commit = self.bucket.folder(gang.number).commits.get(gang.total)
        if commit is None and gang.step == gang.total == gang.resumed_from:
            commit = gang.commit(self.bucket)
        if commit is None or gang.step < gang.total:
            return
        final = FinalReport(
            checkpoint=commit.path, step=commit.step, state_hash=f"{commit.state:x}", record_hash=f"{hash(commit.batches):x}"
        )
        gang.phase = Phase.COMPLETE
        words = None if mute else TerminationMessage(code=0, reason="Complete", step=gang.step, final=final)
        if not mute:
            self.report(gang, final)
        for pod in self.gang():
            self.exit(pod, 0, words=words)

    def exit(self, pod: PodView, code: int, reason: str = "Error", words: TerminationMessage | None = None) -> None:
        """A process ends; where its node is not ready, nobody is told."""
        gang = self.members[pod.uid]
        if not pod.live or pod.index not in gang.alive:
            return
        gang.alive.discard(pod.index)
        if pod.node not in self.lost:
            state = PodState.SUCCEEDED if code == 0 else PodState.FAILED
            reason = "Completed" if code == 0 else pod.reason or reason
            self.pods[pod.name] = replace(pod, state=state, exit_code=code, reason=reason, words=words)

    def fail(self, index: int, code: int, reason: str = "Error", words: TerminationMessage | None = None) -> None:
        """One host fails; its peers live on for the moment."""
        for pod in self.gang():
            if pod.index == index:
                self.exit(pod, code, reason, words)

    def save_and_leave(self, gang: Gang) -> None:
        """SIGTERM reached one process: all save at the same step and leave, if they are whole; else the told ones just end."""
        saved = gang.whole and gang.begun and not gang.hung
        if saved and gang.step > gang.resumed_from:
            gang.commit(self.bucket)
            self.report(gang)
        words = TerminationMessage(code=81, reason="SavedOnRequest", message=f"saved step {gang.step}", step=gang.step) if saved else None
        for pod in [pod for pod in self.pods.values() if self.members[pod.uid] is gang and pod.node not in self.lost]:
            if saved:
                self.exit(pod, ExitCode.SAVED_ON_REQUEST, words=words)
            elif pod.deleting:
                self.exit(pod, 143)

    def notice(self, code: int) -> None:
        """The processes of broken gangs see that a peer is gone, and leave."""
        for pod in list(self.pods.values()):
            gang = self.members[pod.uid]
            if pod.index in gang.alive and not gang.whole and pod.state == PodState.RUNNING and self._met(gang):
                self.exit(pod, code, words=TerminationMessage(code=79, reason="PeerLost", step=gang.step) if code == 79 else None)

    @staticmethod
    def _met(gang: Gang) -> bool:
        return gang.begun or gang.phase != Phase.RENDEZVOUS
