"""Writing a container image by hand: an OCI archive of one layer, for images that are one static program or one folder."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def layer_of(files: Mapping[str, Path]) -> bytes:
    """A layer (tar) of executables: path in the image -> file on this machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for name, path in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, path.stat().st_size
            with path.open("rb") as data:
                layer.addfile(entry, data)
    return buffer.getvalue()


def write(archive: Path, name: str, layer: Path, entrypoint: Sequence[str], user: str = "") -> None:
    """Write `archive` holding the image `name` (full, such as docker.io/library/x:1) with the one layer given as a tar file."""
    with layer.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": list(entrypoint),
            "User": user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "history": [{"created_by": "one layer"}],  # buildah counts layers by it
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    oci = "application/vnd.oci.image"
    parts: dict[str, bytes] = {}
    config_part = part(parts, f"{oci}.config.v1+json", config)
    layer_part = {"mediaType": f"{oci}.layer.v1.tar", "digest": f"sha256:{digest}", "size": layer.stat().st_size}
    manifest = {"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": config_part, "layers": [layer_part]}
    manifest_part = part(parts, f"{oci}.manifest.v1+json", manifest)
    manifest_part["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    parts["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest_part]}).encode()
    parts["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for path, content in parts.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        tar.add(layer, f"blobs/sha256/{digest}")


def part(parts: dict[str, bytes], media_type: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Add a JSON blob to the archive's parts and return its descriptor."""
    content = json.dumps(document, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    parts[f"blobs/sha256/{digest}"] = content
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}
