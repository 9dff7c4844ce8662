"""Enforcement of NetworkPolicies, which the cluster's bridge plugin ignores: iptables rules for each pod.

Packets within one node do not pass the kernel's filter (its bridge forwards them); those between nodes, to Services and to the nodes do.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from devcluster.network import inside
from devcluster.paths import Cluster, binaries
from devcluster.run import output, succeeds

Object = Mapping[str, Any]

CHAINS = {"Egress": "LWM-EGRESS", "Ingress": "LWM-INGRESS"}
HOOKS = (("FORWARD", "LWM-EGRESS"), ("FORWARD", "LWM-INGRESS"), ("INPUT", "LWM-EGRESS"))
"""Pods reach the nodes themselves, so the API server and the name server, through INPUT."""

SECONDS = 0.5


class EnforcedPolicies:
    """A context: the policies of these namespaces are in force, for pods that come later too, until it ends."""

    def __init__(self, cluster: Cluster, *namespaces: str) -> None:
        self._cluster, self._namespaces = cluster, namespaces
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="network policies", daemon=True)
        self._last = ""

    def __enter__(self) -> "EnforcedPolicies":
        self._filter()
        for hook, chain in HOOKS:
            output(inside(self._cluster, "iptables", "-w", "-I", hook, "1", "-j", chain))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        for hook, chain in HOOKS:
            succeeds(inside(self._cluster, "iptables", "-w", "-D", hook, "-j", chain))
        for chain in CHAINS.values():
            for word in ("-F", "-X"):
                succeeds(inside(self._cluster, "iptables", "-w", word, chain))

    def _run(self) -> None:
        while not self._over.wait(SECONDS):
            self._filter()

    def _filter(self) -> None:
        policies, pods = ([item for name in self._namespaces for item in self._list(kind, name)] for kind in ("networkpolicies", "pods"))
        text = rules(policies, pods)
        if text != self._last:
            output(inside(self._cluster, "iptables-restore", "-w", "--noflush"), stdin=text)
            self._last = text

    def _list(self, kind: str, namespace: str) -> list[Object]:
        command: list[str | Path] = [
            binaries() / "kubectl",
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--namespace={namespace}",
            "get",
            kind,
            "--output=json",
        ]
        items: list[Object] = json.loads(output(command))["items"]
        return items


def rules(policies: Iterable[Object], pods: Iterable[Object]) -> str:
    """Rules for `iptables-restore`: allowed packets of each selected pod return, all others are dropped."""
    living = [pod for pod in pods if pod.get("status", {}).get("podIP") and pod["status"].get("phase") == "Running"]
    lines = ["*filter", *(f":{chain} - [0:0]" for chain in CHAINS.values())]
    for direction, chain in CHAINS.items():
        lines.append(f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN")
        for pod in living:
            in_force = [policy for policy in policies if direction in policy["spec"].get("policyTypes", ()) and _selected(policy, pod)]
            pod_end, peer_end = ("-s", "-d") if direction == "Egress" else ("-d", "-s")
            address = pod["status"]["podIP"]
            for policy in in_force:
                for rule in policy["spec"].get(direction.lower()) or ():
                    peers = rule.get("to" if direction == "Egress" else "from")
                    lines += [
                        f"-A {chain} {pod_end} {address}{f' {peer_end} {peer}' if peer else ''}{port} -j RETURN"
                        for peer in (_addresses(policy, peers, living) if peers is not None else [""])
                        for port in _ports(rule)
                    ]
            if in_force:
                lines.append(f"-A {chain} {pod_end} {address} -j DROP")
    return "\n".join([*lines, "COMMIT", ""])


def _selected(policy: Object, pod: Object) -> bool:
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and selects(policy["spec"].get("podSelector") or {}, pod["metadata"].get("labels") or {})


def _addresses(policy: Object, peers: Iterable[Object], pods: Iterable[Object]) -> list[str]:
    addresses: list[str] = []
    for peer in peers:
        if "namespaceSelector" in peer or "ipBlock" in peer:
            raise ValueError(f"a peer of {policy['metadata']['name']} is of a kind that this filter does not know: {peer}")
        as_policy = {**policy, "spec": {"podSelector": peer["podSelector"]}}
        addresses += [pod["status"]["podIP"] for pod in pods if _selected(as_policy, pod)]
    return addresses


def _ports(rule: Object) -> list[str]:
    return [f" -p {port.get('protocol', 'TCP').lower()} --dport {port['port']}" for port in rule.get("ports", ())] or [""]


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches these labels. Raises ValueError for an operator that this filter does not know."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or ():
        if expression["operator"] != "Exists":
            raise ValueError(f"this filter does not know the operator {expression['operator']}")
        if expression["key"] not in labels:
            return False
    return True
