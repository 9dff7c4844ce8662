"""An interpreter for local mode that trains nothing: it reports one step, and ends as a file tells it to, or with 81 on SIGTERM."""

import sys
from pathlib import Path

SCRIPT = """#!{python} -IS
import json, os, pathlib, signal, time
control = pathlib.Path({control!r})
config = json.loads(pathlib.Path(os.environ["LWM_CONFIG"]).read_text())
last = pathlib.Path(os.environ["LWM_TERMINATION_PATH"])
order = control / last.stem

def end(code, reason, **more):
    last.write_text(json.dumps({{"code": code, "reason": reason, "message": reason, **more}}))
    os._exit(code)

def report(**fields):
    if os.environ["JOB_COMPLETION_INDEX"] == "0":
        pathlib.Path(os.environ["LWM_REPORT_PATH"]).write_text(json.dumps(fields))

signal.signal(signal.SIGTERM, lambda *_: end(81, "SavedOnRequest"))
if "steps" in config:
    committed = config["steps"] - 1
    report(attempt=config["attempt"], phase="Training", phaseDeadlineSeconds=300, step=committed, steps=config["steps"],
           loss=2.5, tokensPerSecond=1234.5, committedStep=committed)
else:
    report(shards=2, shardsDone=1)
(control / (last.stem + ".env")).write_text(json.dumps(dict(os.environ)))
while not order.exists():
    time.sleep(0.02)
words = order.read_text().split()
order.unlink()
folder = config["checkpoint"]["root"] + "/" + str(config["steps"]) if "steps" in config else ""
final = {{"checkpoint": folder, "step": config.get("steps", 0), "stateHash": "5", "recordHash": "7", "loss": 2.0}}
prepared = {{"uri": "/prepared", "documents": 3, "tokens": 40}}
if words[0] != "0":
    end(int(words[0]), words[1] if len(words) > 1 else "")
end(0, "Complete", **({{"final": final}} if "steps" in config else {{"prepared": prepared}}))
"""


class FakeTrainer:
    """`python` is the interpreter's path. Processes are named like pods: `tiny-s1-a1-0`."""

    def __init__(self, folder: Path) -> None:
        self._control = folder / "control"
        self._control.mkdir(parents=True)
        script = folder / "python"
        script.write_text(SCRIPT.format(python=sys.executable, control=str(self._control)))
        script.chmod(0o755)
        self.python = str(script)

    def end(self, name: str, code: int, reason: str = "") -> None:
        """Have the process end with this code, and this reason in its termination message."""
        part = self._control / f"{name}.part"
        part.write_text(f"{code} {reason}")
        part.replace(self._control / name)

    def runs(self, name: str) -> bool:
        """Whether the process has begun, and answers SIGTERM."""
        return self._environment_file(name).exists()

    def environment(self, name: str) -> str:
        """The variables of the process, as JSON."""
        return self._environment_file(name).read_text()

    def _environment_file(self, name: str) -> Path:
        return self._control / f"{name}.env"
