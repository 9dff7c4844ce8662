"""Kueue as a process on this machine, for a cluster without any of its webhooks: it reconciles the Jobs that were created suspended."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.run import ClusterError, output, succeeds
from kueue.build import definitions, program
from support.operator_process import free_port

SECONDS = 60


@contextmanager
def served(kubectl: list[str], kubeconfig: Path, folder: Path) -> Iterator[None]:
    """Kueue's definitions are in the cluster and Kueue runs, until the end; `folder` gets its log. Needs root, as the cluster does."""
    output([*kubectl, "apply", "--server-side", "--filename", definitions()])
    try:
        for name in ("workloads", "clusterqueues", "localqueues", "resourceflavors"):
            _wait_for([*kubectl, "get", "--raw", f"/apis/kueue.x-k8s.io/v1beta2/{name}"])
        with _running(kubeconfig, folder):
            yield
    finally:
        output([*kubectl, "delete", "--wait=false", "--filename", definitions()])


@contextmanager
def _running(kubeconfig: Path, folder: Path) -> Iterator[None]:
    """The metrics' certificates have a fixed place in /etc, so it gets an /etc of its own."""
    etc, health = folder / "etc", free_port()
    certificates = etc / "kueue" / "metrics" / "certs"
    certificates.mkdir(parents=True)
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    output([*key, "-keyout", "tls.key", "-out", "tls.crt"], cwd=certificates)
    (etc / "config.yaml").write_text(json.dumps(_configuration(health)))
    script = 'mount --bind "$1" /etc && exec "$2" --config /etc/config.yaml'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(etc), str(program())]
    with (folder / "kueue.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, stderr=log)
    try:
        _ready(process, health, folder / "kueue.log")
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(command: list[str]) -> None:
    start = time.monotonic()
    while not succeeds(command):
        if time.monotonic() - start > SECONDS:
            raise ClusterError(f"not within {SECONDS} s: {' '.join(map(str, command))}")
        time.sleep(0.3)


def _configuration(health: str) -> dict[str, object]:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": "kueue-system",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": int(free_port()), "certDir": "/etc/kueue/metrics/certs"},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "featureGates": {"VisibilityOnDemand": False, "MultiKueue": False},
        "integrations": {"frameworks": ["batch/job"]},
    }


def _ready(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < SECONDS:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise ClusterError(f"Kueue is not ready after {time.monotonic() - start:.0f} s: {log.read_text()[-2000:]}")
