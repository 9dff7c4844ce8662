"""Imports image archives into both nodes at once, and removes images of earlier checkouts."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devcluster import images
from devcluster.nodes import ctr
from devcluster.paths import Cluster
from devcluster.run import output, say
from tools.image_names import TARGETS, full_name


def import_archives(cluster: Cluster, archives: Sequence[Path]) -> None:
    """Import every archive into every node; an image that a node has is not imported again."""
    listings = {node: output(ctr(node, "images", "ls")) for node in cluster.nodes}
    for archive in archives:
        nodes = [node for node in cluster.nodes if not holds(listings[node], archive)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node, archive=archive: output(ctr(node, "images", "import", archive.resolve())), nodes))
        say(f"loaded {archive.name} into {', '.join(node.name for node in nodes) or 'no node: both have it'}")
    for node in cluster.nodes:
        old = outdated(output(ctr(node, "images", "ls")), output(ctr(node, "containers", "ls")), images.kept())
        if old:
            output(ctr(node, "images", "rm", *old))


def holds(listing: str, archive: Path) -> bool:
    """Whether a node has the image already: the tags of this checkout's archives name their content, those of others do not."""
    names = {row.split()[0] for row in listing.splitlines()[1:]}
    return archive.parent == images.folder() and full_name(images.name_of(archive)) in names


def outdated(listing: str, containers: str, kept: Iterable[str]) -> list[str]:
    """References to operator and trainer images whose archive is gone and which no container uses: a gigabyte each.

    `listing` and `containers` are what `ctr images ls` and `ctr containers ls` print; one image has several references."""
    digests = {row.split()[0]: row.split()[2] for row in listing.splitlines()[1:]}
    ours = [name for name in digests if name.startswith(tuple(full_name(f"lwm-{target}:") for target in TARGETS))]
    used = {row.split()[1] for row in containers.splitlines()[1:]} | {full_name(name) for name in kept}
    needed = {digest for name, digest in digests.items() if name in used}
    gone = {digests[name] for name in ours} - needed
    return [name for name, digest in digests.items() if digest in gone]
