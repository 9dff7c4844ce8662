"""What the quickstart needs of a cluster once it is prepared, whoever's cluster it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quickstart.learned import Verdict
from quickstart.manifest import Manifest
from quickstart.record import StageRecord
from tools.kubectl import Kubectl

Read = Callable[[dict[str, Any]], tuple[list[StageRecord], Verdict]]
"""Each stage's record from its final checkpoint, and the verdict on the last, of a training that is complete."""


@dataclass(frozen=True)
class Ready:
    """Images, operator and data are in place, and `training` names its storage there.

    `setup` is a shell line that comes before kubectl, `words` is kubectl as the user types it, `down` what takes it all down."""

    kubectl: Kubectl
    training: Manifest
    read: Read
    setup: str
    words: str
    down: tuple[str, ...]
