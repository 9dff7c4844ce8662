"""The operator as a process of its own, outside of any cluster."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Process:
    """`python -m lwm_operator` in `namespace`, with its log, as the release of the namespace's name would run it.

    It watches that namespace and `others`; `settings` are more variables.
    """

    def __init__(
        self, kubeconfig: Path, namespace: str, log: Path, others: Sequence[str] = (), settings: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": namespace,
            "POD_NAME": "operator-under-test",
            "LWM_LEASE_NAME": f"{namespace}-leader",
            "LWM_TRAINER_IMAGE": "registry.invalid/lwm-trainer:none",
            "LWM_WATCH_NAMESPACES": ",".join([namespace, *others]),
            "LWM_HEALTH_PORT": free_port(),
            "LWM_METRICS_PORT": free_port(),
            **(settings or {}),
        }
        with log.open("w") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "lwm_operator"], env=environment, stderr=out)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def end(self) -> None:
        """At once, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
