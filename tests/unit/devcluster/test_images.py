import ast
import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

from devcluster import oci
from devcluster.paths import REPOSITORY
from tools.image_names import TARGETS


def test_an_archive_by_hand_is_consistent(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" * 100)
    layer = tmp_path / "layer"
    layer.write_bytes(oci.layer_of({"program": program}))
    oci.write(tmp_path / "image.tar", "registry.test/x:1", layer, ["/program"])
    with tarfile.open(tmp_path / "image.tar") as archive:
        content = {member.name: read(archive, member) for member in archive.getmembers()}
    for name, data in content.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    index = json.loads(content["index.json"])["manifests"][0]
    assert index["annotations"]["io.containerd.image.name"] == "registry.test/x:1"
    manifest = blob(content, index)
    config = blob(content, manifest["config"])
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"])
    assert config["config"]["Entrypoint"] == ["/program"]


def read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file
    return file.read()


def blob(content: dict[str, bytes], descriptor: dict[str, Any]) -> dict[str, Any]:
    data = content["blobs/" + descriptor["digest"].replace(":", "/")]
    assert len(data) == descriptor["size"]
    document: dict[str, Any] = json.loads(data)
    return document


def test_the_images_take_no_more_than_they_need() -> None:
    """The operator knows the contract only, and neither image runs as root."""
    stages = (REPOSITORY / "Dockerfile").read_text().split("FROM ")
    operator, trainer = (next(s for s in stages if s.split("\n")[0].endswith(f" AS {target}")) for target in TARGETS)
    copied = [line for line in operator.splitlines() if line.startswith("COPY trainer")]
    assert copied == ["COPY trainer/lwm_trainer/__init__.py /app/lwm_trainer/", "COPY trainer/lwm_trainer/config /app/lwm_trainer/config"]
    assert "COPY operator" not in trainer
    assert all("USER 65532:65532" in stage for stage in (operator, trainer))


def test_the_trainers_image_has_the_server_with_all_that_it_imports() -> None:
    files = re.findall(r"cli/lwm_cli/([\w/]+)\.py", (REPOSITORY / "Dockerfile").read_text())
    copied = {file.replace("/", ".") for file in files}
    assert "serve" in copied
    # The folders of `lwm train`, which are asked for only where the operator is.
    needed = copied | {"local.folder"}
    for name in files:
        for node in ast.walk(ast.parse((REPOSITORY / "cli" / "lwm_cli" / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                package, _, module = node.module.partition(".")
                assert package != "lwm_operator", name
                assert package != "lwm_cli" or module in needed, f"{name}.py imports {node.module}, which is not in the image"
