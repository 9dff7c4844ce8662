"""kubectl as a function."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CommandError(Exception):
    """A command failed; its text is what to show the user."""


def run(*command: str, stdin: str | None = None, seconds: float = 120) -> str:
    """Standard output of a command. Raises CommandError with its standard error."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(command)}: no end after {seconds:.0f} s") from error
    if done.returncode:
        raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Kubectl:
    """One cluster and namespace; `program` is kubectl's path."""

    kubeconfig: Path
    namespace: str = "default"
    program: str = "kubectl"

    def __call__(self, *words: str, stdin: str | None = None, seconds: float = 120) -> str:
        return run(self.program, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *words, stdin=stdin, seconds=seconds)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """The object, or an empty dict when there is none."""
        found: dict[str, Any] = json.loads(self("get", kind, name, "--ignore-not-found", "--output=json") or "{}")
        return found

    def apply(self, manifest: Mapping[str, Any]) -> None:
        self("apply", "--filename=-", stdin=json.dumps(manifest))
