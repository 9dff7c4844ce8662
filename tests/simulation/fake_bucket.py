"""A simulated bucket and the gangs that write into it: every step is a function of the one before it and of its batch."""

from dataclasses import dataclass, field, replace

from lwm_trainer.config import Phase, Start

Number = tuple[int, int]
"""Stage and attempt."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A checkpoint after `step` steps, with the batches of these steps and the state that came of them."""

    path: str
    step: int
    state: int
    batches: tuple[int, ...]


SEED = Commit(path="", step=0, state=0, batches=())


@dataclass(slots=True)
class Folder:
    """The folder of one attempt. `origin` is the commit it started from, once process 0 has written that down, and `of` its attempt."""

    commits: dict[int, Commit] = field(default_factory=dict)
    origin: Commit | None = None
    of: int | None = None


def advanced(state: int, step: int, batch: int) -> int:
    return hash((state, step, batch))


@dataclass(slots=True)
class Bucket:
    folders: dict[Number, Folder] = field(default_factory=dict)
    finals: dict[str, Commit] = field(default_factory=dict)

    def folder(self, number: Number) -> Folder:
        return self.folders.setdefault(number, Folder())

    def find_origin(self, stage: int, start: Start) -> tuple[Commit, int | None]:
        """As `lwm_trainer.checkpoint.lineage.find_origin`: return the commit, and the attempt of this stage that made it."""
        for attempt in start.earlier_attempts:
            folder = self.folder((stage, attempt))
            if steps := self._valid_steps(stage, attempt, start):
                return folder.commits[max(steps)], attempt
            until = start.counts_until(attempt)
            if folder.origin is None or (until is not None and folder.of is not None and folder.origin.step > until):
                continue
            if folder.of is None or folder.origin.step in self.folder((stage, folder.of)).commits:
                return folder.origin, folder.of
        if start.committed_step:
            assert any(self.folder((stage, attempt)).commits for attempt in start.earlier_attempts), "no commit, and the status names one"
        if start.stage_checkpoint is not None:
            before = self.finals[start.stage_checkpoint]
            return Commit(path=before.path, step=0, state=before.state, batches=()), None
        return SEED, None

    def lose_newest(self, stage: int) -> bool:
        """Somebody deletes the newest commit of a stage, where it has an older one and has not ended."""
        steps = {step for (of, _), folder in self.folders.items() if of == stage for step in folder.commits}
        final = any(path.startswith(f"gs://s{stage}/") for path in self.finals)
        if len(steps) < 2 or final:
            return False
        for (of, _), folder in self.folders.items():
            if of == stage:
                folder.commits.pop(max(steps), None)
        return True

    def _valid_steps(self, stage: int, attempt: int, start: Start) -> list[int]:
        until = start.counts_until(attempt)
        return [step for step in self.folder((stage, attempt)).commits if until is None or step <= until]

    def prune(self, stage: int, attempt: int, start: Start, origin_step: int, keep: int) -> None:
        """As `lwm_trainer.checkpoint.retention.prune`: the newest `keep` commits on the line stay; a superseded attempt removes nothing."""
        if any(of == stage and number > attempt for of, number in self.folders):
            return
        line: dict[int, int] = {}
        for earlier in start.earlier_attempts:
            for step in self._valid_steps(stage, earlier, start):
                if step <= origin_step:
                    line.setdefault(step, earlier)
        own = self.folder((stage, attempt)).commits
        stay = {(step, line[step]) for step in sorted(line, reverse=True)[: max(0, keep - len(own))]}
        for earlier in start.earlier_attempts:
            commits = self.folder((stage, earlier)).commits
            for step in [step for step in commits if (step, earlier) not in stay]:
                del commits[step]


@dataclass(slots=True)
class Gang:
    """The processes of one Job, as they really are: they may live on where no pod of theirs is known any more."""

    stage: int
    attempt: int
    hosts: int
    total: int
    start: Start
    image: str
    avoided: tuple[str, ...] = ()
    prepared: tuple[tuple[str, str], ...] = ()
    """Name and folder of each prepared data set that it draws on."""
    every: int = 10
    keep: int = 2
    alive: set[int] = field(default_factory=set)
    begun: bool = False
    step: int = 0
    state: int = 0
    batches: list[int] = field(default_factory=list)
    resumed_from: int = 0
    committed: int = 0
    phase: Phase = Phase.RENDEZVOUS
    hung: bool = False
    silent: bool = False
    """Process 0 does not reach the API server."""
    idle: int = 0

    @property
    def number(self) -> Number:
        return self.stage, self.attempt

    def restarted(self) -> "Gang":
        """The processes of the same Job once its pods have been made anew."""
        fresh = {"alive": set(), "begun": False, "step": 0, "state": 0, "batches": [], "resumed_from": 0, "committed": 0}
        return replace(self, **fresh, phase=Phase.RENDEZVOUS, hung=False, silent=False, idle=0)  # type: ignore[arg-type]

    @property
    def whole(self) -> bool:
        return len(self.alive) == self.hosts

    def begin(self, bucket: Bucket) -> None:
        """All processes have connected: process 0 finds the origin and writes it down."""
        origin, of = bucket.find_origin(self.stage, self.start)
        folder = bucket.folder(self.number)
        folder.origin, folder.of = origin, of
        self.begun, self.step, self.state, self.batches = True, origin.step, origin.state, list(origin.batches)
        self.resumed_from = self.committed = origin.step
        self.phase = Phase.TRAINING

    def advance(self, steps: int) -> None:
        for step in range(self.step, min(self.step + steps, self.total)):
            batch = self.start.batch_of(step)
            self.state = advanced(self.state, step, batch)
            self.batches.append(batch)
            self.step = step + 1

    def commit(self, bucket: Bucket) -> Commit:
        """Save the current step; of the attempt's own commits the newest `keep` stay."""
        path = f"gs://s{self.stage}/a{self.attempt}/{self.step}"
        commit = Commit(path=path, step=self.step, state=self.state, batches=tuple(self.batches))
        own = bucket.folder(self.number).commits
        own[self.step] = commit
        for step in sorted(own, reverse=True)[self.keep :]:
            del own[step]
        bucket.prune(self.stage, self.attempt, self.start, self.resumed_from, self.keep)
        self.committed = self.step
        if self.step == self.total:
            bucket.finals[path] = commit
        return commit
