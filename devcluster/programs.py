"""Building every program of the cluster from the one Go module that pins them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devcluster import go_toolchain
from devcluster.build_progress import LISTING, BuildProgress, ProgressLine, linked_programs, minutes, source_bytes
from devcluster.paths import TOOL, binaries, cache
from devcluster.run import ClusterError, locked, say

MODULE = TOOL / "go"

# Program -> package.
PACKAGES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
    "containerd": "github.com/containerd/containerd/v2/cmd/containerd",
    "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    "ctr": "github.com/containerd/containerd/v2/cmd/ctr",
    "coredns": "github.com/coredns/coredns",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "fake-gcs-server": "github.com/fsouza/fake-gcs-server",
    "pause": "./pause",
}


def kubernetes_version() -> str:
    """The pinned Kubernetes, such as v1.37.2."""
    requirement = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.M)
    if requirement is None:
        raise ClusterError("go.mod names no version of Kubernetes")
    return requirement[1]


def flags() -> list[str]:
    """Build flags. The version goes in by linker flags: a server that calls itself v0.0.0 fails a chart's kubeVersion."""
    release = kubernetes_version()
    major, minor, _ = release.removeprefix("v").split(".")
    base = "k8s.io/component-base/version"
    values = {f"{base}.gitVersion": release, f"{base}.gitMajor": major, f"{base}.gitMinor": minor, f"{base}.gitTreeState": "clean"}
    values["k8s.io/client-go/pkg/version.gitVersion"] = release
    link = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])
    return ["-trimpath", "-tags", "no_btrfs,no_zfs,no_devmapper", "-ldflags", link]


def key() -> str:
    """Changes with anything that decides the programs: the module, its sums, the flags."""
    digest = hashlib.sha256(json.dumps(flags()).encode())
    for path in sorted(p for p in MODULE.rglob("*") if p.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build() -> Path:
    """Build what is missing or outdated, and return the folder that holds all programs."""
    folder = binaries()
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "built.json"
    current = key()
    with locked(cache() / "programs.lock"):
        built = json.loads(record.read_text()) if record.exists() else {}
        due = [name for name in PACKAGES if built.get(name) != current or not (folder / name).exists()]
        if due:
            compile_programs(due, folder)
            record.write_text(json.dumps(built | dict.fromkeys(due, current), indent=1))
    return folder


def compile_programs(names: Sequence[str], folder: Path) -> None:
    """Compile the programs into `folder`, all by one `go build`: packages that they share are compiled once, on every core."""
    go = str(go_toolchain.find())
    say(f"programs to build, once: {len(names)} (Kubernetes {kubernetes_version()}, {go})")
    fresh = folder / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    packages = [PACKAGES[name] for name in names]

    progress = BuildProgress(source_bytes(_list_packages(go, packages)), len(names))
    say(f"packages to compile: {progress.packages}, programs to link: {len(names)}")
    line = ProgressLine(sys.stderr)
    began = time.monotonic()
    outputs = [output_name(package) for package in packages]

    def show() -> None:
        progress.linked = linked_programs(fresh, outputs)
        line.show(f"    {progress.text(time.monotonic() - began)}", int(progress.fraction() * 10))

    try:
        _run_go([go, "build", "-v", *flags(), "-o", f"{fresh}/", *packages], progress.read, show)
    finally:
        line.end()
    for name, output in zip(names, outputs, strict=True):
        (fresh / output).rename(folder / name)
    fresh.rmdir()
    say(f"programs built in {minutes(time.monotonic() - began)}")


def output_name(package: str) -> str:
    """The file name that `go build -o folder/` gives to a package's program: the last element of its path that is no major version."""
    elements = package.split("/")
    return elements[-2] if re.fullmatch(r"v[0-9]+", elements[-1]) else elements[-1]


def _list_packages(go: str, packages: Sequence[str]) -> str:
    """All packages that the programs are compiled from, in the format of LISTING; fetches the modules that are missing."""
    line = ProgressLine(sys.stderr)
    fetched = 0

    def read(text: str) -> bool:
        nonlocal fetched
        fetched += text.startswith("go: downloading ")
        return text.startswith("go: downloading ")

    def show() -> None:
        if fetched:
            line.show(f"    {fetched} Go modules fetched", fetched // 100)

    try:
        return _run_go([go, "list", "-deps", *flags(), "-f", LISTING, *packages], read, show)
    finally:
        line.end()


def _run_go(command: Sequence[str], read: Callable[[str], bool], show: Callable[[], None]) -> str:
    """Standard output of a go command. `read` takes each line of its standard error and returns False where the line is no progress:
    those lines are in the ClusterError of a command that fails. `show` is called about once a second."""
    messages: deque[str] = deque(maxlen=50)
    with tempfile.TemporaryFile("w+") as output, tempfile.NamedTemporaryFile("w+") as errors, Path(errors.name).open() as lines:
        process = subprocess.Popen(["nice", *command], env=_environment(), cwd=MODULE, stdout=output, stderr=errors)
        unfinished, ended = "", False
        try:
            while not ended:
                time.sleep(1)
                ended = process.poll() is not None
                *complete, unfinished = (unfinished + lines.read()).split("\n")
                messages.extend(line for line in complete if not read(line))
                show()
        except BaseException:
            process.terminate()
            raise
        if process.returncode != 0:
            text = "\n".join([*messages, unfinished])
            raise ClusterError(f"`{' '.join(command[:2])}` failed with {process.returncode}:\n{text[-3000:]}")
        output.seek(0)
        return output.read()


def _environment() -> Mapping[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
