"""Kueue itself, built from a Go module that pins it: three minutes on 2 cores, once."""

import hashlib
import os
from pathlib import Path

from devcluster import go_toolchain
from devcluster.paths import binaries, cache
from devcluster.run import locked, output, say

MODULE = Path(__file__).resolve().parent / "go"
PACKAGE = "sigs.k8s.io/kueue"
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


def program() -> Path:
    """The controller, under a name that changes with its module's sums."""
    program_path = binaries() / f"kueue-{hashlib.sha256((MODULE / 'go.sum').read_bytes()).hexdigest()[:12]}"
    with locked(cache() / "kueue.lock"):
        if not program_path.exists():
            say("building Kueue")
            new = program_path.with_suffix(".new")
            command: list[str | Path] = ["nice", _go(), "build", "-trimpath", "-ldflags", "-s -w", "-o", new, f"{PACKAGE}/cmd/kueue"]
            output(command, env={**os.environ, **ENVIRONMENT}, cwd=MODULE)
            new.rename(program_path)
    return program_path


def definitions() -> Path:
    """The folder of its CustomResourceDefinitions."""
    source = output([_go(), "list", "-m", "-f", "{{.Dir}}", PACKAGE], env={**os.environ, **ENVIRONMENT}, cwd=MODULE).strip()
    return Path(source) / "config" / "components" / "crd" / "bases"


def _go() -> Path:
    return go_toolchain.find()
