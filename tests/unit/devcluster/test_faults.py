from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devcluster import faults
from devcluster.__main__ import named, parser
from devcluster.paths import Cluster
from devcluster.run import ClusterError

NODE = Cluster("lwm-test").nodes[1]
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


class Table:
    """iptables' raw table: rules in, rules out."""

    def __init__(self) -> None:
        self.rules: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str | Path], **_: Any) -> str:
        verb, *rule = [str(word) for word in argv][argv.index("raw") + 1 :]
        assert [*argv[:3]] == ["nsenter", "--net=/run/netns/lwm-test", "--"]
        if verb == "--insert":
            self.rules.insert(0, tuple(rule))
        elif tuple(rule) not in self.rules:
            raise ClusterError("no such rule")
        elif verb == "--delete":
            self.rules.remove(tuple(rule))
        return ""

    def succeeds(self, argv: Sequence[str | Path]) -> bool:
        try:
            self.run(argv)
        except ClusterError:
            return False
        return True


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    raw_table = Table()
    monkeypatch.setattr(faults, "output", raw_table.run)
    monkeypatch.setattr(faults, "succeeds", raw_table.succeeds)
    return raw_table


def test_a_cut_node_neither_hears_nor_is_heard_however_often_it_is_cut_and_mended_nothing_stays(table: Table) -> None:
    faults.cut(NODE)
    faults.cut(NODE)
    assert sorted(table.rules) == [
        ("OUTPUT", "--destination", "10.244.1.0/24", "--jump", "DROP"),
        ("PREROUTING", "--destination", "10.244.1.0/24", "--jump", "DROP"),
        ("PREROUTING", "--source", "10.244.1.0/24", "--jump", "DROP"),
    ]
    other = ("OUTPUT", "--destination", "10.244.0.0/24", "--jump", "DROP")
    table.rules += [*table.rules, other]
    faults.mend(NODE)
    assert table.rules == [other]


def node(status: str, heartbeat: str) -> dict[str, Any]:
    conditions = [
        {"type": "DiskPressure", "status": "True", "lastHeartbeatTime": "2026-01-02T13:00:00Z"},
        {"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat},
    ]
    return {"status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("status", "heartbeat", "ready"),
    [
        ("True", "2026-01-02T12:00:00Z", True),
        ("True", "2026-01-02T11:59:59Z", False),
        ("Unknown", "2026-01-02T12:00:05Z", False),
        ("False", "2026-01-02T12:00:05Z", False),
    ],
)
def test_what_a_kubelet_said_before_its_end_does_not_count_as_ready(status: str, heartbeat: str, ready: bool) -> None:
    assert faults.ready_since(node(status, heartbeat), NOON) is ready


def test_a_drain_cordons_first_and_evicts_only_what_runs_in_the_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    def pod(name: str, namespace: str, phase: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": namespace}, "status": {"phase": phase}}

    pods = [
        pod("a", "x", "Running"),
        pod("b", "x", "Pending"),
        pod("c", "x", "Failed"),
        pod("d", "x", "Succeeded"),
        pod("e", "y", "Running"),
    ]
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(faults, "pods_on", lambda node: pods)
    monkeypatch.setattr(faults, "kubectl", lambda cluster, *words: list(words))
    monkeypatch.setattr(faults, "output", lambda words, stdin="": calls.append((*words[:3], stdin)))
    assert faults.drain(NODE, "x") == ["a", "b"]
    assert calls[0][:2] == ("cordon", "node2")
    assert [words[2] for words in calls[1:]] == [f"/api/v1/namespaces/x/pods/{name}/eviction" for name in ("a", "b")]
    assert all('"kind": "Eviction"' in words[3] for words in calls[1:])


def test_a_node_that_is_down_cannot_be_lost_and_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "init_of", lambda node: None)
    for fault in (faults.lose, faults.orphan):
        with pytest.raises(ClusterError, match="node2 of lwm-test is down already"):
            fault(NODE)


def test_the_command_line_names_a_node() -> None:
    options = parser().parse_args(["lose", "node2", "--name", "lwm-b"])
    assert named(Cluster(options.name), options.node) == Cluster("lwm-b").nodes[1]
