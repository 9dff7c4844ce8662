"""A gang of trainer processes on this machine, one per host, for tests that need no Kubernetes."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lwm_trainer import config
from support import compiled_programs

WORDS = (
    "in the beginning was the word and the light shone over the waters while the people walked through the valley and the king spoke to "
    "his servants of bread and wine and stone"
).split()


def write_texts(folder: Path, documents: int = 12, seed: int = 0) -> None:
    """Documents of very different length, from a few words to a few thousand; word order has a little structure to learn."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(documents):
        count = int(random.lognormal(5.5, 1.2))
        place, words = int(random.integers(len(WORDS))), []
        for _ in range(count):
            place = (place + int(random.choice([1, 1, 1, 2, 7]))) % len(WORDS)
            words.append(WORDS[place])
        (folder / f"{number:03}.txt").write_text(" ".join(words), encoding="utf-8")


def write_tokenizer(path: Path) -> None:
    """A byte-level BPE of 512 pieces, trained on the texts' own words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 50, trainer)
    tokenizer.save(str(path))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def patched(patch: Callable[[], None]) -> list[str]:
    """The command of a trainer in which a function of `processes.patches` runs first. It imports JAX, whose threads must find SIGTERM
    blocked, as in main."""
    lines = (
        "from lwm_trainer.runtime import sigterm",
        "sigterm.block()",
        f"from {patch.__module__} import {patch.__name__}",
        f"{patch.__name__}()",
        "from lwm_trainer.__main__ import main",
        "main()",
    )
    return [sys.executable, "-c", "\n".join(lines)]


def a_run(folder: Path, **changes: Any) -> dict[str, Any]:
    """A run config of two hosts with two devices each that trains a tiny model on `folder`'s texts; `changes` replace fields."""
    run: dict[str, Any] = {
        "training": "tiny",
        "stage": "short",
        "stageIndex": 0,
        "stageCount": 1,
        "attempt": 1,
        "gang": {"job": "tiny-s1-a1", "service": "tiny", "hosts": 2, "devicesPerHost": 2, "platform": "cpu", "coordinator": ""},
        "mesh": {"sp": 4},
        "model": {"layers": 2, "width": 64, "heads": 4, "kvHeads": 2, "headDim": 16, "mlpWidth": 128, "vocabSize": 512},
        "tokenizer": str(folder / "tokenizer.json"),
        "datasets": [{"name": "words", "kind": "text", "uri": str(folder / "texts")}],
        "contextLength": 64,
        "batchTokens": 256,
        "ropeTheta": 10000.0,
        "steps": 12,
        "optimizer": {"peakLearningRate": 0.01, "warmupSteps": 2},
        "checkpoint": {"root": str(folder / "runs"), "saveIntervalSteps": 3, "maxToKeep": 2},
        "compileCache": str(compiled_programs.FOLDER),
    }
    return run | changes


@dataclass
class Gang:
    """Running processes and what they print; leaves none behind when used as a context."""

    run: dict[str, Any]
    folder: Path
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "lwm_trainer"])
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> "Gang":
        self.folder.mkdir(parents=True, exist_ok=True)
        hosts = self.run["gang"]["hosts"]
        run = self.run | {"gang": self.run["gang"] | {"coordinator": f"127.0.0.1:{free_port()}"}}
        path = self.folder / "run.json"
        path.write_text(json.dumps(run))
        for host in range(hosts):
            environment = os.environ | {
                "LWM_CONFIG": str(path),
                "LWM_TERMINATION_PATH": str(self.folder / f"last-{host}"),
                "JOB_COMPLETION_INDEX": str(host),
                "PJRT_NPROC": "2",
            }
            with (self.folder / f"out-{host}").open("wb") as out:
                self.processes.append(subprocess.Popen(self.command, env=environment, stdout=out, stderr=subprocess.STDOUT))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, seconds: float = 300) -> list[int]:
        return [process.wait(seconds) for process in self.processes]

    def final(self) -> config.FinalReport:
        """The end of a stage that must become complete."""
        codes = self.wait()
        assert codes == [0] * len(codes), self.output()
        final = self.last_words().final
        assert final is not None
        return final

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Wait until `what` holds, with every process alive."""
        end = time.monotonic() + 300
        while not what():
            assert time.monotonic() < end, self.output()
            assert all(process.poll() is None for process in self.processes), self.output()
            time.sleep(0.01)

    def wait_for_step(self, step: int) -> None:
        self.wait_for(lambda: bool(self.steps()) and self.steps()[-1]["step"] >= step)

    def output(self, host: int = 0) -> str:
        return (self.folder / f"out-{host}").read_text(errors="replace")

    def steps(self) -> list[dict[str, float]]:
        """The step lines of process 0 so far."""
        lines = self.output().split(config.STEP_LINE_PREFIX)[1:]
        return [json.loads(line.split("\n")[0]) for line in lines if "\n" in line]

    def last_words(self, host: int = 0) -> config.TerminationMessage:
        return config.TerminationMessage.model_validate_json((self.folder / f"last-{host}").read_text())
