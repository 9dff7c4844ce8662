"""etcd, API server, controller manager, scheduler, CoreDNS and kube-proxy, as plain processes in the cluster's network."""

import ssl
import urllib.error
import urllib.request

from devcluster import configs, pki
from devcluster.paths import API_PORT, DNS_READY_PORT, POD_SUBNET, SERVICE_SUBNET, Cluster, binaries
from devcluster.processes import start
from devcluster.run import say, until


def commands(cluster: Cluster) -> dict[str, list[str]]:
    """Program -> its arguments, in the order of starting."""
    state, keys, address = cluster.state, pki.folder(cluster), cluster.nodes[0].address
    return {
        "etcd": [
            f"--data-dir={state}/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",  # a cluster for tests may lose its memory with the machine
            "--log-level=warn",
        ],
        "kube-apiserver": [
            "--etcd-servers=http://127.0.0.1:2379",
            f"--secure-port={API_PORT}",
            f"--advertise-address={address}",
            f"--service-cluster-ip-range={SERVICE_SUBNET}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--token-auth-file={keys}/tokens.csv",
            f"--client-ca-file={keys}/ca.crt",
            f"--tls-cert-file={keys}/apiserver.crt",
            f"--tls-private-key-file={keys}/apiserver.key",
            f"--kubelet-client-certificate={keys}/apiserver-kubelet.crt",
            f"--kubelet-client-key={keys}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",  # no DNS knows the nodes' names
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={keys}/service-accounts.key",
            f"--service-account-signing-key-file={keys}/service-accounts.key",
            "--allow-privileged=true",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={keys}/controller-manager.kubeconfig",
            f"--service-account-private-key-file={keys}/service-accounts.key",
            f"--root-ca-file={keys}/ca.crt",
            f"--cluster-cidr={POD_SUBNET}",
            "--allocate-node-cidrs=false",  # each node's CNI configuration has its subnet
            "--use-service-account-credentials",
            "--leader-elect=false",
        ],
        "kube-scheduler": [f"--kubeconfig={keys}/scheduler.kubeconfig", "--leader-elect=false"],
        "coredns": [f"-conf={state}/Corefile"],
        "kube-proxy": [
            f"--kubeconfig={keys}/proxy.kubeconfig",
            f"--hostname-override={cluster.nodes[0].name}",
            f"--cluster-cidr={POD_SUBNET}",
            "--proxy-mode=iptables",
            "--masquerade-all",  # two pods on one bridge answer each other directly, past the translation, without it
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ],
    }


def up(cluster: Cluster) -> None:
    """Start what does not run yet and wait for the API server and DNS."""
    (cluster.state / "Corefile").write_text(configs.corefile(cluster))
    (cluster.state / "resolv.conf").write_text(configs.resolv(cluster))
    (cluster.state / "etcd").mkdir(mode=0o700, exist_ok=True)
    for program, arguments in commands(cluster).items():
        start(cluster, [binaries() / program, *arguments], cluster.state / "log" / f"{program}.log")
        if program == "kube-apiserver":
            until("the API server is ready", lambda: api_ready(cluster), seconds=120, hint=f"Its log: {cluster.state}/log/{program}.log")
            say("API server ready")


def api_ready(cluster: Cluster) -> bool:
    """Whether /readyz answers 200, asked from this machine, the way kubectl will."""
    trust = ssl.create_default_context(cafile=str(pki.folder(cluster) / "ca.crt"))
    return answers(f"{cluster.server}/readyz", trust)


def dns_ready(cluster: Cluster) -> bool:
    """Whether CoreDNS has seen the cluster's Services."""
    return answers(f"http://{cluster.address}:{DNS_READY_PORT}/ready")


def answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    """Whether a GET of the address gives 200 within 2 s, without any proxy."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if trust:
        handlers.append(urllib.request.HTTPSHandler(context=trust))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
