"""The operator's chart, installed with helm."""

from collections.abc import Mapping
from pathlib import Path

from tools.kubectl import run

CHART = Path(__file__).resolve().parents[1] / "charts" / "lwm-operator"
RELEASE, NAMESPACE = "lwm-operator", "lwm-system"


def install(
    kubeconfig: Path,
    operator_image: str,
    trainer_image: str,
    helm: str = "helm",
    seconds: int = 180,
    *,
    values: Mapping[str, str] | None = None,
) -> None:
    """Installs or upgrades the chart and waits until the operator is ready. Images are `repository:tag`; `values`: more of the chart's.

    Raises CommandError.
    """
    operator, trainer = operator_image.rpartition(":"), trainer_image.rpartition(":")
    run(
        helm,
        "upgrade",
        "--install",
        RELEASE,
        str(CHART),
        f"--kubeconfig={kubeconfig}",
        f"--namespace={NAMESPACE}",
        "--create-namespace",
        f"--set=image.repository={operator[0]},trainer.image.repository={trainer[0]}",
        f"--set-string=image.tag={operator[2]},trainer.image.tag={trainer[2]}",
        *(f"--set-string={name}={value}" for name, value in (values or {}).items()),
        "--wait",
        f"--timeout={seconds}s",
        seconds=seconds + 30,
    )
