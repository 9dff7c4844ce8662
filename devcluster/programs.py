"""Building every program of the cluster from the one Go module that pins them."""

import hashlib
import json
import os
import re
from pathlib import Path

from devcluster import go_toolchain
from devcluster.paths import TOOL, binaries, cache
from devcluster.run import ClusterError, locked, output, say

MODULE = TOOL / "go"

# Program -> package. Ordered so that the first ones compile what the others share.
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
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.M)
    if found is None:
        raise ClusterError("go.mod names no version of Kubernetes")
    return found[1]


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
    """Build what is missing or outdated, one line of progress each, and return the folder that holds all programs."""
    folder = binaries()
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "built.json"
    wanted = key()
    with locked(cache() / "programs.lock"):
        built = json.loads(record.read_text()) if record.exists() else {}
        due = [name for name in PACKAGES if built.get(name) != wanted or not (folder / name).exists()]
        if not due:
            return folder
        go = go_toolchain.find()
        say(f"building {len(due)} programs (once; 10 to 15 minutes on 2 cores where Go's build cache is cold) with {go}")
        environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        for number, name in enumerate(due, 1):
            say(f"  {number}/{len(due)} {name}")
            output(["nice", go, "build", *flags(), "-o", folder / f"{name}.new", PACKAGES[name]], env=environment, cwd=MODULE)
            (folder / f"{name}.new").rename(folder / name)
            built[name] = wanted
            record.write_text(json.dumps(built, indent=1))
    return folder
