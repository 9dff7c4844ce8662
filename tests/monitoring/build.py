"""Prometheus and promtool, built from a Go module that pins them: some minutes on 2 cores, once."""

import hashlib
import os
import re
from pathlib import Path

from devcluster import go_toolchain
from devcluster.paths import cache
from devcluster.run import ClusterError, locked, output, say

MODULE = Path(__file__).resolve().parent / "go"
PROGRAMS = ("prometheus", "promtool")
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


def version() -> str:
    """The pinned Prometheus, such as 3.16.0, whose module has the version v0.316.0. Raises ClusterError."""
    requirement = re.search(r"^require github\.com/prometheus/prometheus v0\.(\d+)(\d\d)\.(\d+)$", (MODULE / "go.mod").read_text(), re.M)
    if requirement is None:
        raise ClusterError("go.mod names no version of Prometheus")
    return ".".join(str(int(number)) for number in requirement.groups())


def programs() -> Path:
    """The folder of both programs, whose name changes with the module's sums. Raises ClusterError."""
    folder = cache() / f"prometheus-{version()}-{hashlib.sha256((MODULE / 'go.sum').read_bytes()).hexdigest()[:12]}"
    with locked(cache() / "prometheus.lock"):
        if not all((folder / name).exists() for name in PROGRAMS):
            say(f"building Prometheus {version()} and promtool")
            folder.mkdir(parents=True, exist_ok=True)
            # Without the service discovery of a dozen clouds, which is most of the code.
            flags = [
                "-trimpath",
                "-tags",
                "remove_all_sd",
                "-ldflags",
                f"-s -w -X github.com/prometheus/common/version.Version={version()}",
            ]
            packages = [f"github.com/prometheus/prometheus/cmd/{name}" for name in PROGRAMS]
            command: list[str | Path] = ["nice", go_toolchain.find(), "build", *flags, "-o", f"{folder}/", *packages]
            output(command, env={**os.environ, **ENVIRONMENT}, cwd=MODULE)
    return folder
