"""Why do the pods not run yet? One reason and one line, with the words of whoever holds them up."""

from lwm_operator.plan.observed import JobView, PodState, PodView

IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable")
CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")

HELD_UP = frozenset({"Unschedulable", "SchedulingGated", "ImagePull", "ConfigError", "PodsMissing", "WaitingForPods"})
"""Reasons with which nothing advances until somebody does something."""
LOOK_AGAIN = frozenset({"PodsMissing"})
"""Reasons whose causes are told by no watch of ours: they are looked at again."""


def why(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> tuple[str, str] | None:
    """Reason and message of the worst hold-up; None when all pods run."""
    held = [pod for pod in pods if pod.state == PodState.PENDING and pod.waiting is not None]
    if held:
        worst = min(held, key=lambda pod: (_rank(pod), pod.index))
        assert worst.waiting is not None  # noqa: S101 - chosen so two lines above
        alike = sum(1 for pod in held if _rank(pod) == _rank(worst))
        return _reason(worst), f"{alike} of {hosts} pods since {worst.waiting.since}: {worst.waiting.message}"[:900]
    here = sum(1 for pod in pods if pod.live or pod.state == PodState.SUCCEEDED)
    if here < hosts:
        said = f": {job.message}" if job is not None and job.message else ""
        return "PodsMissing", f"{here} of {hosts} pods exist{said}"[:900]
    pending = sum(1 for pod in pods if pod.state == PodState.PENDING)
    return ("ContainerCreating", f"{pending} of {hosts} pods are starting") if pending else None


def _rank(pod: PodView) -> int:
    return ("ImagePull", "ConfigError", "Unschedulable", "SchedulingGated").index(_reason(pod)) if _known(pod) else 4


def _known(pod: PodView) -> bool:
    return _reason(pod) in ("ImagePull", "ConfigError", "Unschedulable", "SchedulingGated")


def _reason(pod: PodView) -> str:
    raw = pod.waiting.reason if pod.waiting is not None else ""
    if raw in IMAGE:
        return "ImagePull"
    return "ConfigError" if raw in CONFIG else raw
