"""Putting image archives into both nodes, side by side."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster.nodes import ctr
from cluster.paths import Cluster, Node
from cluster.run import output, say


def into(cluster: Cluster, archives: Sequence[Path]) -> None:
    """Import every archive into every node; layers that a node has are not read again."""

    def load(job: tuple[Node, Path]) -> None:
        node, archive = job
        output(ctr(node, "images", "import", archive.resolve()))

    for archive in archives:
        with ThreadPoolExecutor() as pool:
            list(pool.map(load, [(node, archive) for node in cluster.nodes]))
        say(f"loaded {archive.name} into {', '.join(node.name for node in cluster.nodes)}")
