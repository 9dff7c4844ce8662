"""The operator's settings, from environment variables that the chart sets."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

TRUE = ("1", "true", "yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    trainer_image: str
    """The image for trainings that name none."""
    namespace: str
    """The operator's own namespace, which holds the Lease of leader election."""
    identity: str
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces whose trainings are reconciled; empty means all."""
    read_nodes: bool = True
    """False where the account may not read nodes: the operator then infers from pods that their node is lost."""
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
    return Settings(
        trainer_image=image,
        namespace=variables.get("POD_NAMESPACE", "default"),
        identity=variables.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        watch_namespaces=tuple(name.strip() for name in variables.get("LWM_WATCH_NAMESPACES", "").split(",") if name.strip()),
        read_nodes=variables.get("LWM_READ_NODES", "true").lower() in TRUE,
        leader_election=variables.get("LWM_LEADER_ELECTION", "true").lower() in TRUE,
        workers=_number(variables, "LWM_WORKERS", 4),
        log_level=variables.get("LWM_LOG_LEVEL", "INFO").upper(),
        health_port=_number(variables, "LWM_HEALTH_PORT", 8080),
        metrics_port=_number(variables, "LWM_METRICS_PORT", 9090),
    )


def _number(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name, str(default))
    if not text.isdigit():
        raise ValueError(f"{name}: {text!r} is not a number; set it to one, for example {default}")
    return int(text)
