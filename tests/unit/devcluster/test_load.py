from pathlib import Path

from devcluster import images
from devcluster.load import holds, outdated

HEAD = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
CONTAINERS = "CONTAINER IMAGE RUNTIME\n"


def listing(*rows: tuple[str, str]) -> str:
    return HEAD + "".join(f"{name} application/vnd.oci {digest} 1 MiB linux/amd64 -\n" for name, digest in rows)


TRAINER = "docker.io/library/lwm-trainer"


def test_an_image_goes_with_all_its_references_once_its_archive_is_gone() -> None:
    images = listing((f"{TRAINER}:old", "sha256:1"), ("sha256:c1", "sha256:1"), (f"{TRAINER}:new", "sha256:2"), ("sha256:c2", "sha256:2"))
    assert outdated(images, CONTAINERS, ["lwm-trainer:new"]) == [f"{TRAINER}:old", "sha256:c1"]


def test_what_a_container_uses_stays() -> None:
    images = listing((f"{TRAINER}:old", "sha256:1"), ("sha256:c1", "sha256:1"))
    assert outdated(images, f"{CONTAINERS}abc sha256:c1 io.containerd.runc.v2\n", []) == []


def test_an_old_name_of_a_kept_image_takes_nothing_away() -> None:
    images = listing((f"{TRAINER}:old", "sha256:1"), (f"{TRAINER}:new", "sha256:1"))
    assert outdated(images, CONTAINERS, ["lwm-trainer:new"]) == []


def test_what_is_not_ours_stays() -> None:
    assert outdated(listing(("registry.k8s.io/pause:3.10", "sha256:9")), CONTAINERS, []) == []


def test_only_an_archive_of_ours_is_known_by_its_name() -> None:
    there = listing((f"{TRAINER}:new", "sha256:1"))
    assert holds(there, images.folder() / "lwm-trainer_new.tar")
    assert not holds(there, images.folder() / "lwm-trainer_newer.tar")
    assert not holds(there, Path("/elsewhere/lwm-trainer_new.tar"))
