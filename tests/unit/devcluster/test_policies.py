from typing import Any

import pytest

from devcluster.policies import rules, selects


def a_pod(name: str, address: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "a", "labels": labels}, "status": {"podIP": address, "phase": "Running"}}


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "a"}, "spec": {"podSelector": {"matchLabels": {"app": "x"}}, **spec}}


def test_a_chosen_pod_may_do_what_is_written_and_nothing_else() -> None:
    peers = [{"podSelector": {"matchLabels": {"app": "x"}}}]
    egress = [{"to": peers}, {"ports": [{"protocol": "UDP", "port": 53}]}]
    text = rules([policy(policyTypes=["Egress"], egress=egress)], [a_pod("one", "10.0.0.1", app="x"), a_pod("two", "10.0.0.2", app="y")])
    assert [line for line in text.splitlines() if "10.0.0" in line] == [
        "-A LWM-EGRESS -s 10.0.0.1 -d 10.0.0.1 -j RETURN",
        "-A LWM-EGRESS -s 10.0.0.1 -p udp --dport 53 -j RETURN",
        "-A LWM-EGRESS -s 10.0.0.1 -j DROP",
    ]


def test_ingress_is_by_where_it_comes_from() -> None:
    ingress = [{"from": [{"podSelector": {"matchLabels": {"app": "y"}}}], "ports": [{"port": 80}]}]
    text = rules([policy(policyTypes=["Ingress"], ingress=ingress)], [a_pod("one", "10.0.0.1", app="x"), a_pod("two", "10.0.0.2", app="y")])
    assert "-A LWM-INGRESS -d 10.0.0.1 -s 10.0.0.2 -p tcp --dport 80 -j RETURN\n-A LWM-INGRESS -d 10.0.0.1 -j DROP\n" in text


def test_pods_that_nobody_chose_are_free_and_no_rule_at_all_is_nothing_allowed() -> None:
    assert "10.0.0" not in rules([policy(policyTypes=["Egress"])], [a_pod("two", "10.0.0.2", app="y")])
    assert "-A LWM-EGRESS -s 10.0.0.1 -j DROP" in rules([policy(policyTypes=["Egress"])], [a_pod("one", "10.0.0.1", app="x")])


def test_selectors() -> None:
    assert selects({}, {})
    assert selects({"matchExpressions": [{"key": "k", "operator": "Exists"}]}, {"k": "v"})
    assert not selects({"matchExpressions": [{"key": "k", "operator": "Exists"}]}, {})
    with pytest.raises(ValueError, match="does not know the operator NotIn"):
        selects({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": []}]}, {})
