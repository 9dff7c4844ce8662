"""The operator's chart, installed with helm."""

from pathlib import Path

from quickstart.kubectl import run

CHART = Path(__file__).resolve().parents[1] / "charts" / "lwm-operator"
RELEASE, NAMESPACE = "lwm-operator", "lwm-system"


def install(kubeconfig: Path, operator_image: str, trainer_image: str, helm: str = "helm", seconds: int = 180) -> None:
    """Installs or upgrades the chart and waits until the operator is ready. Images are `repository:tag`. Raises CommandError."""
    repository, _, tag = operator_image.rpartition(":")
    run(
        helm,
        "upgrade",
        "--install",
        RELEASE,
        str(CHART),
        f"--kubeconfig={kubeconfig}",
        f"--namespace={NAMESPACE}",
        "--create-namespace",
        f"--set=image.repository={repository}",
        f"--set-string=image.tag={tag}",
        f"--set=trainer.image={trainer_image}",
        "--wait",
        f"--timeout={seconds}s",
        seconds=seconds + 30,
    )
