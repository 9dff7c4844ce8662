"""Small trainings in local mode: their file, and a cluster of fake processes that is reconciled step by step."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.local_cluster import LocalCluster
from lwm_cli.local.manifest import Options, load_local
from lwm_operator.api.training import Training
from lwm_operator.controller.reconcile import Reconciler
from support.fake_trainer import FakeTrainer

WAIT_SECONDS = 120.0
TEXT = """\
apiVersion: lwm.dev/v1alpha1
kind: LWMTraining
metadata: {name: tiny}
spec:
  model: {layers: 2, width: 64, heads: 4, kvHeads: 2, headDim: 16, mlpWidth: 128, vocabSize: 512}
  tokenizer: {uri: file:tokenizer.json}
  datasets: [{name: words, source: {uri: file:texts}}]
  checkpoint: {uri: file:runs, saveIntervalSteps: 3}
  accelerator: {type: cpu, cpu: {hosts: 2, devicesPerHost: 2, threads: 2}}
  stages:
    - {name: short, contextLength: 64, batchTokens: 256, steps: 12, mesh: {sp: 4}}
    - {name: longer, contextLength: 128, batchTokens: 256, steps: 6, mesh: {fsdp: 2, tp: 2}}
"""


def write_file(folder: Path, *changes: tuple[str, str]) -> Path:
    """The file of the training, with the tokenizer and the folder that it names, both empty."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "tokenizer.json").touch()
    file = folder / "tiny.yaml"
    file.write_text(text)
    return file


class Machine:
    """A training in local mode with fake processes. `python` and the folder survive what `restart` and `kill` do."""

    def __init__(self, folder: Path, *changes: tuple[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.trainer = FakeTrainer(folder / "fake")
        self.folder = TrainingFolder(folder / "out")
        training = load_local(write_file(folder, *changes), Options(), None)
        self.folder.create(training.metadata.name, training.spec.model_dump(mode="json", by_alias=True, exclude_none=True))
        self.ahead = timedelta()
        self._commands: list[LocalCluster] = []
        self.restart()

    def restart(self) -> None:
        """Begin again as another `lwm train` would, which knows nothing but the folder."""
        self.cluster = LocalCluster(self.folder, self.trainer.python, lambda: datetime.now(UTC) + self.ahead)
        self._commands.append(self.cluster)  # its processes stay children of this one

    def close(self) -> None:
        """End all processes and collect them."""
        for cluster in reversed(self._commands):
            cluster.kill()

    async def until(self, done: Callable[[Training], bool]) -> Training:
        """Reconcile until the stored training is as wanted."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                await Reconciler(self.cluster).reconcile(self.cluster.key)
                training = self.folder.training()
                if done(training):
                    return training
                await asyncio.sleep(0.02)

    async def until_trains(self, *names: str) -> Training:
        """Reconcile until these processes run and the step that they report is in the status."""
        running = all_running(self, names)
        return await self.until(lambda training: running() and training.status.reason == "Training")

    def pid(self, name: str) -> int:
        process = next(process for job in self.cluster.jobs for process in job.live if process.name == name)
        assert process.record is not None
        return process.record.pid


def all_running(machine: Machine, names: tuple[str, ...]) -> Callable[[], bool]:
    return lambda: all(machine.trainer.runs(name) for name in names)
