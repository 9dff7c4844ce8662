"""Certificates, tokens and kubeconfigs of one cluster, made once by openssl; all of them die with the cluster."""

import json
import secrets
from base64 import b64encode
from pathlib import Path

from devcluster.paths import SERVICE_API_IP, Cluster
from devcluster.run import output

# Kubeconfig's name -> user and groups, as the API server's token file has them.
USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "node1": ("system:node:node1", "system:nodes"),
    "node2": ("system:node:node2", "system:nodes"),
}


def folder(cluster: Cluster) -> Path:
    return cluster.state / "pki"


def make(cluster: Cluster) -> None:
    """Write keys, certificates (valid for a year), the token file and the kubeconfigs, unless they exist."""
    if folder(cluster).exists():
        return
    work = cluster.state / "pki.new"
    output(["rm", "-rf", work])
    work.mkdir(parents=True, mode=0o700)
    key(work, "ca")
    ca = ["openssl", "req", "-x509", "-new", "-key", "ca.key", "-subj", f"/CN={cluster.name}", "-days", "365", "-out", "ca.crt"]
    output([*ca, "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"], cwd=work)
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"]
    addresses = [SERVICE_API_IP, cluster.nodes[0].address, cluster.address, "127.0.0.1"]
    alternatives = ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
    certificate(work, "apiserver", "/CN=kube-apiserver", f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\n")
    certificate(work, "apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client", "extendedKeyUsage=clientAuth\n")
    key(work, "service-accounts")
    lines = []
    for name, (user, groups) in USERS.items():
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},{user},"{groups}"\n')
        write_private(work / f"{name}.kubeconfig", kubeconfig(cluster, cluster.inner_server, work / "ca.crt", token))
        if name == "admin":
            write_private(cluster.kubeconfig, kubeconfig(cluster, cluster.server, work / "ca.crt", token))
    write_private(work / "tokens.csv", "".join(lines))
    work.rename(folder(cluster))


def key(work: Path, name: str) -> None:
    output(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key"], cwd=work)


def certificate(work: Path, name: str, subject: str, extensions: str) -> None:
    key(work, name)
    (work / f"{name}.ext").write_text(extensions)
    output(["openssl", "req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr"], cwd=work)
    sign = ["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    output([*sign, "-days", "365", "-extfile", f"{name}.ext", "-out", f"{name}.crt"], cwd=work)


def kubeconfig(cluster: Cluster, server: str, ca: Path, token: str) -> str:
    """A kubeconfig with everything inside; JSON, which is YAML too."""
    authority = b64encode(ca.read_bytes()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster.name,
        "clusters": [{"name": cluster.name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": cluster.name, "user": {"token": token}}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": cluster.name}}],
    }
    return json.dumps(document, indent=2)


def write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
