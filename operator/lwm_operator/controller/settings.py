"""The operator's settings, from environment variables that the chart sets."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
MAX_PORT = 65535
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    trainer_image: str
    """The image for trainings that name none."""
    namespace: str
    """The operator's own namespace."""
    identity: str
    lease_namespace: str = "default"
    lease_name: str = "lwm-operator"
    """The Lease of leader election: operators that watch the same namespaces share one."""
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces whose trainings are reconciled; empty means all."""
    read_nodes: bool = True
    """False where the account may not read nodes: the operator then infers from pods that their node is lost."""
    fixed_user: bool = True
    """False: the platform assigns the user and groups of training pods, as OpenShift does."""
    leader_election: bool = True
    workers: int = 4
    log_level: str = "INFO"
    health_port: int = 8080
    metrics_port: int = 9090


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from os.environ or the given environment. Raises ValueError that names the variable."""
    variables = os.environ if environment is None else environment
    image = variables.get("LWM_TRAINER_IMAGE", "")
    if not image:
        raise ValueError("LWM_TRAINER_IMAGE: it is missing; set the trainer's image, such as lwm-trainer:1.0 (chart value trainer.image)")
    namespace = variables.get("POD_NAMESPACE", "default")
    return Settings(
        trainer_image=image,
        namespace=namespace,
        lease_namespace=variables.get("LWM_LEASE_NAMESPACE") or namespace,
        lease_name=variables.get("LWM_LEASE_NAME") or "lwm-operator",
        identity=variables.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        watch_namespaces=_namespaces(variables, "LWM_WATCH_NAMESPACES"),
        read_nodes=_boolean(variables, "LWM_READ_NODES"),
        fixed_user=_boolean(variables, "LWM_FIXED_USER"),
        leader_election=_boolean(variables, "LWM_LEADER_ELECTION"),
        workers=_number(variables, "LWM_WORKERS", 4, most=64),
        log_level=variables.get("LWM_LOG_LEVEL", "INFO").upper(),
        health_port=_number(variables, "LWM_HEALTH_PORT", 8080, most=MAX_PORT),
        metrics_port=_number(variables, "LWM_METRICS_PORT", 9090, most=MAX_PORT),
    )


def _namespaces(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the namespaces, each once."""
    namespaces = tuple(dict.fromkeys(part.strip() for part in variables.get(name, "").split(",") if part.strip()))
    for namespace in namespaces:
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"{name}: {namespace!r} is not the name of a namespace; separate names by commas, for example team-a,team-b")
    return namespaces


def _boolean(variables: Mapping[str, str], name: str) -> bool:
    """Return True where the variable is not set."""
    text = variables.get(name, "true")
    if text.lower() not in BOOLEANS:
        raise ValueError(f"{name}: {text!r} is neither true nor false; set it to one of them")
    return BOOLEANS[text.lower()]


def _number(variables: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    text = variables.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{name}: {text!r} is not a number from 1 to {most}; set it to one, for example {default}")
    return int(text)
