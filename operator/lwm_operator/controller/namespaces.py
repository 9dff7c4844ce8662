"""Which of the watched namespaces the API server refuses: one that was deleted, or that lost the operator's Role, stops no other."""

import structlog

from lwm_operator.cluster.port import ClusterError
from lwm_operator.controller import metrics

log = structlog.get_logger("lwm_operator")


class WatchedNamespaces:
    """Logs and counts each namespace's loss and return once."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        """The API server's message by namespace."""

    def report(self, namespace: str, refusal: ClusterError | None) -> None:
        """Take the outcome of a list of the namespace's trainings."""
        if refusal is not None:
            if namespace not in self.refused:
                fix = "upgrade the release once the namespace exists, or take it out of watchNamespaces"
                log.error("namespace_not_served", watched_namespace=namespace, error=str(refusal), fix=fix)
            self.refused[namespace] = str(refusal)
        elif self.refused.pop(namespace, None) is not None:
            log.info("namespace_served_again", watched_namespace=namespace)
        metrics.NAMESPACE_SERVED.labels(namespace).set(0 if refusal is not None else 1)
