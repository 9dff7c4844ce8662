"""kubectl as a function."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CommandError(Exception):
    """A command failed; its text is what to show the user."""


def run(*command: str, stdin: str | None = None, seconds: float = 120, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a command. Raises CommandError with its standard error."""
    return pipe(*command, stdin=None if stdin is None else stdin.encode(), seconds=seconds, env=env).decode(errors="replace")


def pipe(*command: str, stdin: bytes | None = None, seconds: float = 120, env: Mapping[str, str] | None = None) -> bytes:
    """Like `run`, for bytes."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=seconds, check=False, env=env)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(command)}: no end after {seconds:.0f} s") from error
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]}: not on the PATH: install it") from error
    if done.returncode:
        message = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
        raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{message}")
    return done.stdout


@dataclass(frozen=True)
class Kubectl:
    """One cluster and namespace; `program` is kubectl's path."""

    kubeconfig: Path
    namespace: str = "default"
    program: str = "kubectl"

    def __call__(self, *words: str, stdin: str | None = None, seconds: float = 120) -> str:
        return run(*self.command(*words), stdin=stdin, seconds=seconds)

    def command(self, *words: str) -> tuple[str, ...]:
        return (self.program, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *words)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """The object, or an empty dict when there is none."""
        manifest: dict[str, Any] = json.loads(self("get", kind, name, "--ignore-not-found", "--output=json") or "{}")
        return manifest

    def apply(self, manifest: Mapping[str, Any]) -> None:
        self("apply", "--filename=-", stdin=json.dumps(manifest))
