from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from lwm_operator.cluster.port import ClusterError
from lwm_operator.controller.namespaces import WatchedNamespaces


def served(namespace: str) -> float | None:
    return REGISTRY.get_sample_value("lwm_operator_namespace_served", {"namespace": namespace})


def test_a_namespaces_loss_and_return_are_logged_once_and_counted() -> None:
    watched = WatchedNamespaces()
    with capture_logs() as logs:
        watched.report("team-a", ClusterError("403 Forbidden"))
        watched.report("team-a", ClusterError("404 Not Found"))
        watched.report("team-b", None)
        assert (watched.refused, served("team-a"), served("team-b")) == ({"team-a": "404 Not Found"}, 0, 1)
        watched.report("team-a", None)
        watched.report("team-a", None)
    assert (watched.refused, served("team-a")) == ({}, 1)
    assert [(line["event"], line["watched_namespace"]) for line in logs] == [
        ("namespace_not_served", "team-a"),
        ("namespace_served_again", "team-a"),
    ]
