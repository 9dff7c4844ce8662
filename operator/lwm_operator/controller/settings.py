"""The operator's own settings, from its environment; the chart sets them."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

TRUE = ("1", "true", "yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    trainer_image: str
    """For trainings that name none."""
    namespace: str
    """The operator's own: where its leader's Lease lies."""
    identity: str
    watch_namespaces: tuple[str, ...] = ()
    """Empty: all."""
    read_nodes: bool = True
    """False where the account has no right on nodes; of a lost one the operator then knows what its pods tell."""
    leader_election: bool = True
    workers: int = 4
    log_level: str = "INFO"
    health_port: int = 8080
    metrics_port: int = 9090


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Raises `ValueError` that names the variable."""
    given = os.environ if environment is None else environment
    image = given.get("LWM_TRAINER_IMAGE", "")
    if not image:
        raise ValueError("LWM_TRAINER_IMAGE: missing: set it to the trainer's image, such as lwm-trainer:1.0 (chart value trainer.image)")
    return Settings(
        trainer_image=image,
        namespace=given.get("POD_NAMESPACE", "default"),
        identity=given.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        watch_namespaces=tuple(name.strip() for name in given.get("LWM_WATCH_NAMESPACES", "").split(",") if name.strip()),
        read_nodes=given.get("LWM_READ_NODES", "true").lower() in TRUE,
        leader_election=given.get("LWM_LEADER_ELECTION", "true").lower() in TRUE,
        workers=_number(given, "LWM_WORKERS", 4),
        log_level=given.get("LWM_LOG_LEVEL", "INFO").upper(),
        health_port=_number(given, "LWM_HEALTH_PORT", 8080),
        metrics_port=_number(given, "LWM_METRICS_PORT", 9090),
    )


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not text.isdigit():
        raise ValueError(f"{name}: {text!r} is not a number: give one such as {default}")
    return int(text)
